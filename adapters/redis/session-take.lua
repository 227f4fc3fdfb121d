-- Takes a session over, unless somebody was faster, and tells every node. KEYS: 1 the session. ARGV: 1 the owner's number
-- that was read, 2 its user, 3 the node and 4 the connection that take it, 5 how many past ids are kept, 6 ms that it
-- lives, 7 the channel, 8 the session's id, 9 the node's lease. Answers its fields and their values; nothing where it was not taken.
local known = redis.call('HMGET', KEYS[1], 'owner', 'user', 'ids')
if known[1] ~= ARGV[1] or known[2] ~= ARGV[2] then return false end
local ids = {}
for id in string.gmatch(known[3] .. ' ' .. ARGV[4], '%S+') do ids[#ids + 1] = id end
local owner = tonumber(ARGV[1]) + 1
redis.call('HSET', KEYS[1], 'owner', owner, 'node', ARGV[3], 'lease', ARGV[9],
  'ids', table.concat(ids, ' ', math.max(1, #ids - tonumber(ARGV[5]) + 1)))
redis.call('HDEL', KEYS[1], 'dropped')
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PUBLISH', ARGV[7], ARGV[8] .. ' ' .. owner)
return redis.call('HGETALL', KEYS[1])
