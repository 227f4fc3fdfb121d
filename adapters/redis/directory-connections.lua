-- ARGV: 1 user or '', 2 room or '', 3 the number to go on after, 4 how many at most (0: all).
-- Answers the number to go on after ('': this was the last page), then the connections.
local user, room, after, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local from = user ~= '' and key('u', user) or room ~= '' and key('r', room) or ALL
if tonumber(after) > tonumber(redis.call('GET', NUMBER) or '0') then after = '0' end
local answer, last = { '' }, after
while true do
  local some = redis.call('ZRANGE', from, '(' .. last, '+inf', 'BYSCORE', 'LIMIT', 0, 100, 'WITHSCORES')
  if #some == 0 then return answer end
  for i = 1, #some, 2 do
    local id = some[i]
    if isOnline(id) and (room == '' or redis.call('ZSCORE', key('r', room), id)) then
      if limit > 0 and #answer > limit then answer[1] = last; return answer end
      answer[#answer + 1] = described(id)
    end
    last = some[i + 1]
  end
end
