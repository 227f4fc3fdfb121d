-- ARGV: 1 room, 2 the number to go on after, 3 how many at most. Answers the number to go on after, or '', then each
-- member's id, user and info as JSON or ''.
local after, limit = ARGV[2], tonumber(ARGV[3])
if tonumber(after) > tonumber(redis.call('GET', NUMBER) or '0') then after = '0' end
local some = redis.call('ZRANGE', key('r', ARGV[1]), '(' .. after, '+inf', 'BYSCORE', 'LIMIT', 0, limit + 1, 'WITHSCORES')
local answer = { '' }
if #some > 2 * limit then answer[1] = some[2 * limit] end
for i = 1, math.min(#some, 2 * limit), 2 do
  local c = redis.call('HMGET', key('c', some[i]), 'user', 'info')
  answer[#answer + 1] = { some[i], c[1], c[2] }
end
return answer
