-- ARGV: 1 now and 2 until when it is kept, ms since 1970, 3 its id, 4 its subject, 5 the subject's score, 6 what it is, as
-- JSON, 7 how many are kept at most. Answers 1, or 0 where there are that many.
forgetEnded(ARGV[1])
if redis.call('ZCARD', ALL) >= tonumber(ARGV[7]) then return 0 end
local id = ARGV[3]
redis.call('ZADD', ALL, redis.call('INCR', NUMBER), id)
redis.call('ZADD', UNTIL, ARGV[2], id)
redis.call('ZADD', key('s:' .. ARGV[4]), ARGV[5], id)
redis.call('HSET', DATA, id, ARGV[6])
redis.call('HSET', OF, id, ARGV[4])
return 1
