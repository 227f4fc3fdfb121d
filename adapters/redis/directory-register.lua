-- ARGV: 1 id, 2 user, 3 node, 4 transport, 5 address, 6 connected at, 7 info as JSON or '', 8 its node's lease, 9 an id of the
-- asker's for this asking, the same one where it had no answer and asks again, 10 how many it replaces, those, then its rooms.
-- Answers the rooms of those that it replaces and were there, as before the first of these askings that was carried out, and
-- how many its user has online.
local id, user, lease, asking, replaced = ARGV[1], ARGV[2], ARGV[8], ARGV[9], tonumber(ARGV[10])
local asked = redis.call('HMGET', key('c', id), 'asking', 'change')
local entered, former, known = {}, {}, {}
local function add(room)
  if not known[room] then known[room] = true; former[#former + 1] = room end
end
if asked[1] == asking then
  local change = cjson.decode(asked[2])
  for _, room in ipairs(change[1]) do entered[room] = true end
  for _, room in ipairs(change[2]) do add(room) end
end
local function replace(other)
  local was = forget(other)
  for _, room in ipairs(was and was[8] or {}) do
    if not entered[room] then add(room) end
  end
end
replace(id)
for i = 11, 10 + replaced do replace(ARGV[i]) end

local change, kept = { {}, {} }, {}
for i = 11 + replaced, #ARGV do
  kept[ARGV[i]] = true
  if not known[ARGV[i]] then table.insert(change[1], ARGV[i]) end
end
for _, room in ipairs(former) do
  if not kept[room] then table.insert(change[2], room) end
end
redis.call('HSET', key('c', id), 'user', user, 'node', ARGV[3], 'transport', ARGV[4], 'address', ARGV[5], 'at', ARGV[6],
  'info', ARGV[7], 'lease', lease, 'asking', asking, 'change', cjson.encode(change))
local number = redis.call('INCR', NUMBER)
redis.call('ZADD', ALL, number, id)
redis.call('ZADD', key('u', user), number, id)
redis.call('SADD', key('n', lease), id)
-- So that whoever sweeps finds it, also where its node never said that it lives.
redis.call('ZADD', LEASES, 'NX', nowMs(), lease)
for i = 11 + replaced, #ARGV do enter(id, ARGV[i]) end
return { former, redis.call('ZCARD', key('u', user)) }
