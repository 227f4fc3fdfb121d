-- ARGV: 1 id, 2 user, 3 node, 4 transport, 5 address, 6 connected at, 7 info as JSON or '', 8 its node's lease, 9 how many it
-- replaces, those, then its rooms. Answers whether one of those that it replaces was there, and how many its user has
-- online.
local id, user, lease, replaced = ARGV[1], ARGV[2], ARGV[8], tonumber(ARGV[9])
local stayed = forget(id) and 1 or 0
for i = 10, 9 + replaced do if forget(ARGV[i]) then stayed = 1 end end
redis.call('HSET', key('c', id), 'user', user, 'node', ARGV[3], 'transport', ARGV[4], 'address', ARGV[5], 'at', ARGV[6],
  'info', ARGV[7], 'lease', lease)
local number = redis.call('INCR', NUMBER)
redis.call('ZADD', ALL, number, id)
redis.call('ZADD', key('u', user), number, id)
redis.call('SADD', key('n', lease), id)
-- So that whoever sweeps finds it, also where its node never said that it lives.
redis.call('ZADD', LEASES, 'NX', nowMs(), lease)
for i = 10 + replaced, #ARGV do enter(id, ARGV[i]) end
return { stayed, redis.call('ZCARD', key('u', user)) }
