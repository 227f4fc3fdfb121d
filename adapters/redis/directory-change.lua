-- ARGV: 1 id, 2 'join', 'leave' or 'transport', 3 which. Answers 1 where it changed something.
local id = ARGV[1]
if ARGV[2] == 'leave' then return leave(id, ARGV[3]) end
if not isOnline(id) then return 0 end
if ARGV[2] == 'join' then enter(id, ARGV[3]) else redis.call('HSET', key('c', id), 'transport', ARGV[3]) end
return 1
