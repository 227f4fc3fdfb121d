-- Revocations. Every script on them begins with this. KEYS: 1 their name, which is the hash tag of all their keys.
-- <r>:all the ids by the order in which they were made; <r>:until the same by the ms since 1970 until when each is kept;
-- <r>:data what each is, as JSON, and <r>:of whose tokens it is about, by id; <r>:s:<subject> a subject's ids, by the
-- `issuedBefore` of a user's, 0 for a token's; <r>:number the last number given.
local function key(name) return KEYS[1] .. ':' .. name end
local ALL, UNTIL, DATA, OF, NUMBER = key('all'), key('until'), key('data'), key('of'), key('number')

local function forget(id)
  local subject = redis.call('HGET', OF, id)
  if not subject then return end
  redis.call('ZREM', key('s:' .. subject), id)
  redis.call('ZREM', ALL, id)
  redis.call('ZREM', UNTIL, id)
  redis.call('HDEL', DATA, id)
  redis.call('HDEL', OF, id)
end

-- Those of no use any more go, some at a time.
local function forgetEnded(now)
  for _, id in ipairs(redis.call('ZRANGE', UNTIL, '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)) do forget(id) end
end
