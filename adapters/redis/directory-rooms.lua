-- ARGV: 1 how names begin, 2 the name to go on after or '', 3 how many at most. Answers '1' where there are more, then name
-- and number of members of each.
local from = '[' .. ARGV[1]
if ARGV[2] ~= '' and ARGV[2] >= ARGV[1] then from = '(' .. ARGV[2] end
local names = redis.call('ZRANGE', ROOMS, from, ARGV[1] == '' and '+' or '(' .. ARGV[1] .. '\255', 'BYLEX', 'LIMIT', 0,
  tonumber(ARGV[3]) + 1)
local answer = { #names > tonumber(ARGV[3]) and '1' or '' }
for i = 1, math.min(#names, tonumber(ARGV[3])) do
  answer[#answer + 1] = names[i]
  answer[#answer + 1] = redis.call('ZCARD', key('r', names[i]))
end
return answer
