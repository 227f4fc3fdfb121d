-- KEYS: 1 the session. Answers the store's clock in ms, then its fields and their values.
local time = redis.call('TIME')
return { time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1]) }
