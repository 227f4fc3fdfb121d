-- ARGV: 1 id, 2 user, 3 node, 4 transport, 5 address, 6 connected at, 7 info as JSON or '', 8 its node's lease, 9 how many it
-- replaces, those, then its rooms. Answers the rooms of those that it replaces and were there, and how many its user has
-- online.
local id, user, lease, replaced = ARGV[1], ARGV[2], ARGV[8], tonumber(ARGV[9])
local former, known = {}, {}
local function replace(other)
  local was = forget(other)
  for _, room in ipairs(was and was[8] or {}) do
    if not known[room] then known[room] = true; former[#former + 1] = room end
  end
end
replace(id)
for i = 10, 9 + replaced do replace(ARGV[i]) end
redis.call('HSET', key('c', id), 'user', user, 'node', ARGV[3], 'transport', ARGV[4], 'address', ARGV[5], 'at', ARGV[6],
  'info', ARGV[7], 'lease', lease)
local number = redis.call('INCR', NUMBER)
redis.call('ZADD', ALL, number, id)
redis.call('ZADD', key('u', user), number, id)
redis.call('SADD', key('n', lease), id)
-- So that whoever sweeps finds it, also where its node never said that it lives.
redis.call('ZADD', LEASES, 'NX', nowMs(), lease)
for i = 10 + replaced, #ARGV do enter(id, ARGV[i]) end
return { former, redis.call('ZCARD', key('u', user)) }
