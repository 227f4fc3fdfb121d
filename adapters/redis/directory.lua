-- The directory: who is connected where, and in which rooms. Every script on it begins with this. KEYS: 1 its name, which
-- is the hash tag of all its keys; ARGV: what is asked of it.
-- <d>:c:<id> a connection's fields; <d>:cr:<id> its rooms by the order of joining; <d>:r:<room> a room's members by the
-- same; <d>:u:<user> a user's connections online, <d>:all everybody's, by the order of registration; <d>:rooms the names
-- of rooms with members; <d>:gone who departs, by when; <d>:number the last number given.
local function key(kind, name) return KEYS[1] .. ':' .. kind .. ':' .. name end
local ALL, ROOMS, GONE, NUMBER = KEYS[1] .. ':all', KEYS[1] .. ':rooms', KEYS[1] .. ':gone', KEYS[1] .. ':number'

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

local function offline(id, user)
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', key('u', user), id)
end

local function forget(id)
  local was = described(id)
  if not was then return nil end
  offline(id, was[2])
  for _, room in ipairs(was[8]) do leave(id, room) end
  redis.call('ZREM', GONE, id)
  redis.call('DEL', key('c', id), key('cr', id))
  return was
end
