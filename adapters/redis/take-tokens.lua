-- A token bucket, as domain/limits.ts has it. KEYS: 1 the bucket. ARGV: 1 tokens a second, 2 most at once, 3 the cost.
-- Answers 1 where it is allowed, the tokens left, and the ms until what RateDecision.resetMs says.
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
if now > at then tokens = math.min(burst, tokens + (now - at) * rate / 1000) end

local function msUntil(wanted) return math.max(0, math.ceil((math.min(wanted, burst) - tokens) * 1000 / rate)) end

local allowed = tokens >= math.min(cost, burst)
if allowed then tokens = tokens - cost end
local left = math.max(0, math.floor(tokens))
local reset = not allowed and msUntil(cost) or left == 0 and msUntil(1) or msUntil(burst)
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
-- A full bucket says nothing: it is forgotten.
redis.call('PEXPIRE', KEYS[1], msUntil(burst) + 1)
return { allowed and 1 or 0, left, reset }
