-- One atomic step: the idempotency key, an offset, each target room's log and record, and every subscriber.
-- KEYS: 3 the key's record, 4 the count of its user's keys, then each room's log and record.
-- ARGV: 5 digest ('' without a key), 6 message id, 7 the message, 8 '1' volatile, 9 ms that a key is remembered,
-- 10 most keys of its user (0: any), 11 PUBLISH or SPUBLISH, then each room's channel, history size (0: not logged, -1: never will be), its ms.
-- Answers epoch, clock, outcome ('new', 'repeated', 'reused', 'limited'), and the first publication's id, epoch, offset.
local ROOMS, FIRST = (#KEYS - 4) / 2, 12
if ARGV[5] ~= '' then
  local known = redis.call('HMGET', KEYS[3], 'digest', 'id', 'epoch', 'offset')
  if known[1] then
    if known[1] ~= ARGV[5] then return { epoch, text(now), 'reused' } end
    return { epoch, text(now), 'repeated', known[2], known[3], known[4] }
  end
  if ARGV[10] ~= '0' then
    local count = redis.call('INCR', KEYS[4])
    if count == 1 then redis.call('PEXPIRE', KEYS[4], ARGV[9]) end
    if count > tonumber(ARGV[10]) then return { epoch, text(now), 'limited' } end
  end
  redis.call('HSET', KEYS[3], 'digest', ARGV[5], 'id', ARGV[6], 'epoch', epoch, 'offset', text(now))
  redis.call('PEXPIRE', KEYS[3], ARGV[9])
end

local previous = {}
for i = 1, ROOMS do
  local log, key = KEYS[3 + 2 * i], KEYS[4 + 2 * i]
  local size, age = tonumber(ARGV[FIRST + 3 * i - 2]), tonumber(ARGV[FIRST + 3 * i - 1])
  local newest, count = record(key)
  previous[i] = text(newest)
  -- A volatile message is owed to nobody: it is no gap when it is missing.
  if ARGV[8] == '0' and size >= 0 then
    if size > 0 then
      count = count + 1
      redis.call('XADD', log, 'MAXLEN', '=', size, text(now) .. '-0', 'p', previous[i], 'n', text(count), 'm', ARGV[7])
      redis.call('XTRIM', log, 'MINID', '~', text(now - age * 1000))
      redis.call('PEXPIRE', log, age)
    end
    redis.call('SET', key, text(now) .. ' ' .. text(count), 'PXAT', text((now + ttl) / 1000))
  end
end
for i = 1, ROOMS do
  redis.call(ARGV[11], ARGV[FIRST + 3 * i - 3],
    text(now) .. ' ' .. previous[i] .. ' ' .. epoch .. ' ' .. ARGV[8] .. ' ' .. ARGV[7])
end
return { epoch, text(now), 'new', ARGV[6], epoch, text(now) }
