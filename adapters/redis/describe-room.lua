-- KEYS: 3 the room's log, 4 its record. ARGV: 5 the ms that it keeps a message.
-- Answers epoch, clock, the record's offset or '', and how many entries there are.
redis.call('XTRIM', KEYS[3], 'MINID', text(now - tonumber(ARGV[5]) * 1000))
local newest = string.match(redis.call('GET', KEYS[4]) or '', '^%d+')
return { epoch, text(now), newest or '', redis.call('XLEN', KEYS[3]) }
