-- ARGV: 1 now, ms since 1970, 2 the id. Answers 1 where it was still good for something.
local kept = tonumber(redis.call('ZSCORE', UNTIL, ARGV[2]) or '0')
forget(ARGV[2])
return kept > tonumber(ARGV[1]) and 1 or 0
