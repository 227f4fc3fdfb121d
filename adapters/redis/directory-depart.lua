-- ARGV: 1 id, 2 ms that it is a member still.
local id = ARGV[1]
if not isOnline(id) then return 0 end
if redis.call('EXISTS', key('cr', id)) == 0 then
  forget(id)
else
  offline(id, redis.call('HGET', key('c', id), 'user'))
  redis.call('ZADD', GONE, nowMs() + tonumber(ARGV[2]), id)
end
return 1
