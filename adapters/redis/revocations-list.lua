-- ARGV: 1 now, ms since 1970, 2 the number to go on after, 3 how many at most. Answers the number to go on after ('': this
-- was the last page), then what each is, as JSON.
local last, limit = ARGV[2], tonumber(ARGV[3])
if tonumber(last) > tonumber(redis.call('GET', NUMBER) or '0') then last = '0' end
local answer = { '' }
while true do
  local some = redis.call('ZRANGE', ALL, '(' .. last, '+inf', 'BYSCORE', 'LIMIT', 0, 100, 'WITHSCORES')
  if #some == 0 then return answer end
  for i = 1, #some, 2 do
    if tonumber(redis.call('ZSCORE', UNTIL, some[i])) > tonumber(ARGV[1]) then
      if #answer > limit then answer[1] = last; return answer end
      answer[#answer + 1] = redis.call('HGET', DATA, some[i])
    end
    last = some[i + 1]
  end
end
