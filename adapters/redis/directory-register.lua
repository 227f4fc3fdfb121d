-- ARGV: 1 id, 2 user, 3 node, 4 transport, 5 address, 6 connected at, 7 info as JSON or '', 8 how many it replaces, those,
-- then its rooms. Answers whether one of those that it replaces was there, and how many its user has online.
local id, user, replaced = ARGV[1], ARGV[2], tonumber(ARGV[8])
local stayed = forget(id) and 1 or 0
for i = 9, 8 + replaced do if forget(ARGV[i]) then stayed = 1 end end
redis.call('HSET', key('c', id), 'user', user, 'node', ARGV[3], 'transport', ARGV[4], 'address', ARGV[5], 'at', ARGV[6],
  'info', ARGV[7])
local number = redis.call('INCR', NUMBER)
redis.call('ZADD', ALL, number, id)
redis.call('ZADD', key('u', user), number, id)
for i = 9 + replaced, #ARGV do enter(id, ARGV[i]) end
return { stayed, redis.call('ZCARD', key('u', user)) }
