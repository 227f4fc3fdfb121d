-- ARGV: 1 how many at most, and one more, then kind and name of each: 'room', 'user', 'connection' or 'all'.
-- Answers id and node of each connection online, once.
local most, found, answer = tonumber(ARGV[1]) + 1, {}, {}
local function add(id)
  if found[id] or not isOnline(id) then return end
  found[id] = true
  answer[#answer + 1] = { id, redis.call('HGET', key('c', id), 'node') }
end
for i = 2, #ARGV, 2 do
  local kind, name = ARGV[i], ARGV[i + 1]
  if kind == 'connection' then
    add(name)
  else
    local from = kind == 'room' and key('r', name) or kind == 'user' and key('u', name) or ALL
    local at = 0
    repeat
      local some = redis.call('ZRANGE', from, at, at + 499)
      for _, id in ipairs(some) do
        add(id)
        if #answer >= most then return answer end
      end
      at = at + 500
    until #some < 500
  end
  if #answer >= most then return answer end
end
return answer
