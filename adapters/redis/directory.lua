-- The directory: who is connected where, and in which rooms. Every script on it begins with this. KEYS: 1 its name, which
-- is the hash tag of all its keys; ARGV: what is asked of it.
-- <d>:c:<id> a connection's fields; <d>:cr:<id> its rooms by the order of joining; <d>:r:<room> a room's members by the
-- same; <d>:u:<user> a user's connections online, <d>:all everybody's, by the order of registration; <d>:rooms the names
-- of rooms with members; <d>:gone who departs, by when; <d>:number the last number given; <d>:n:<lease> the connections
-- online of one run of a node, <d>:leases those runs by when each was last seen, ms, <d>:nodes what the living say of
-- themselves, as JSON, by lease; <d>:beats when one of them last was heard, and since when they are without a break; <d>:given:<id>
-- who was given to an asker to be told of.
local function key(kind, name) return KEYS[1] .. ':' .. kind .. (name and ':' .. name or '') end
local ALL, ROOMS, GONE, NUMBER = KEYS[1] .. ':all', KEYS[1] .. ':rooms', KEYS[1] .. ':gone', KEYS[1] .. ':number'
local LEASES, NODES, BEATS = KEYS[1] .. ':leases', KEYS[1] .. ':nodes', KEYS[1] .. ':beats'

local function nowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function isOnline(id) return redis.call('ZSCORE', ALL, id) end

-- { id, user, node, transport, address, connected at, info as JSON or '', its rooms }; nothing where there is none.
local function described(id)
  local c = redis.call('HMGET', key('c', id), 'user', 'node', 'transport', 'address', 'at', 'info')
  if not c[1] then return nil end
  return { id, c[1], c[2], c[3], c[4], c[5], c[6], redis.call('ZRANGE', key('cr', id), 0, -1) }
end

local function enter(id, room)
  if redis.call('ZSCORE', key('r', room), id) then return end
  local number = redis.call('INCR', NUMBER)
  redis.call('ZADD', key('r', room), number, id)
  redis.call('ZADD', key('cr', id), number, room)
  redis.call('ZADD', ROOMS, 0, room)
end

local function leave(id, room)
  if redis.call('ZREM', key('r', room), id) == 0 then return 0 end
  redis.call('ZREM', key('cr', id), room)
  if redis.call('EXISTS', key('r', room)) == 0 then redis.call('ZREM', ROOMS, room) end
  return 1
end

local function offline(id)
  local c = redis.call('HMGET', key('c', id), 'user', 'lease')
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', key('u', c[1]), id)
  redis.call('SREM', key('n', c[2]), id)
end

local function forget(id)
  local was = described(id)
  if not was then return nil end
  offline(id)
  for _, room in ipairs(was[8]) do leave(id, room) end
  redis.call('ZREM', GONE, id)
  redis.call('DEL', key('c', id), key('cr', id))
  return was
end

-- It dropped: a member of its rooms until then, ms; forgotten at once where it is in none.
local function depart(id, at)
  if redis.call('EXISTS', key('cr', id)) == 0 then return forget(id) end
  offline(id)
  redis.call('ZADD', GONE, at, id)
end

-- Since when somebody is heard without a break, ms: before that the store was away, or its time another, and leases say
-- nothing of their nodes.
local function heardSince(now, lease)
  local beats = redis.call('HMGET', BEATS, 'last', 'since')
  if not beats[1] or math.abs(now - tonumber(beats[1])) > lease / 2 then return now end
  return tonumber(beats[2])
end
