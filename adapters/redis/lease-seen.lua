-- ARGV: 1 a lease, 2 ms that a lease lasts. Answers '' where its node may live, else when it was last seen, ms (0: long ago).
local now, lease = nowMs(), tonumber(ARGV[2])
if now - heardSince(now, lease) < lease then return '' end
local last = tonumber(redis.call('ZSCORE', LEASES, ARGV[1]) or '0')
return now - last <= lease and '' or tostring(last)
