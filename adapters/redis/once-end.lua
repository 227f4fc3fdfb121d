-- KEYS: 1 the key's record. ARGV: 1 who did the work, 2 ms that the answer is kept (0: it failed), 3 the answer, 4 digest.
-- Answers 0 where somebody else does it by now, for who did it had not said for long that it does.
local by = redis.call('HGET', KEYS[1], 'by')
if by and by ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('HSET', KEYS[1], 'digest', ARGV[4], 'by', ARGV[1], 'answer', ARGV[3])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
