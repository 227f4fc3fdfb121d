-- KEYS: 1 the rooms that a user was taken out of, by the offset. ARGV: 1 the room, 2 the offset, 3 the oldest one that is of use
-- still, 4 how many are kept, 5 ms that they are. Answers how many were given up for there are too many.
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, over - 1) end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return math.max(0, over)
