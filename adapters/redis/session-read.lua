-- KEYS: 3 the session. Answers epoch, clock, the time in ms, then its fields and their values.
return { epoch, text(now), time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[3]) }
