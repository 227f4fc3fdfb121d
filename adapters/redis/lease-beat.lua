-- A node lives; and whoever says so sweeps what the dead have left. ARGV: 1 its lease, 2 what it says of itself, as JSON, 3 ms
-- that a lease lasts, 4 ms of a departed connection's grace, 5 ms that a dead lease is remembered, 6 how many connections
-- are swept at most, 7 a secret, where there is none yet.
-- Answers 1 where the lease was held until now, 1 where there is more to sweep, the secret, then lease and JSON of the living.
local id, lease, left = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[6])
local now = nowMs()
local since = heardSince(now, lease)
redis.call('HSET', BEATS, 'last', now, 'since', since)
redis.call('SET', key('secret'), ARGV[7], 'NX')
local held = redis.call('HEXISTS', NODES, id)
redis.call('ZADD', LEASES, now, id)
redis.call('HSET', NODES, id, ARGV[2])
-- The time went back: they were seen before that.
for _, each in ipairs(redis.call('ZRANGE', LEASES, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('ZADD', LEASES, now, each)
end

if now - since >= lease then
  local dead = redis.call('ZRANGE', LEASES, '-inf', '(' .. now - lease, 'BYSCORE', 'LIMIT', 0, 1000, 'WITHSCORES')
  for i = 1, #dead, 2 do
    local last = tonumber(dead[i + 1])
    redis.call('HDEL', NODES, dead[i])
    local swept = left > 0 and redis.call('SPOP', key('n', dead[i]), left) or {}
    left = left - #swept
    for _, connection in ipairs(swept) do depart(connection, last + tonumber(ARGV[4])) end
    if left > 0 and last < now - tonumber(ARGV[5]) then redis.call('ZREM', LEASES, dead[i]) end
  end
end

local answer = { held, left > 0 and 0 or 1, redis.call('GET', key('secret')) }
for i, part in ipairs(redis.call('HGETALL', NODES)) do answer[3 + i] = part end
return answer
