-- ARGV: 1 now, ms since 1970, 2 the user's subject, 3 the token's or ''. Answers the latest `issuedBefore` of the user's or
-- '', and 1 where the token is revoked.
forgetEnded(ARGV[1])
local latest = redis.call('ZRANGE', key('s:' .. ARGV[2]), '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')
return { latest[2] or '', ARGV[3] ~= '' and redis.call('EXISTS', key('s:' .. ARGV[3])) or 0 }
