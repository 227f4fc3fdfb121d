-- Work that is to be done once. KEYS: 1 the key's record. ARGV: 1 digest, 2 who asks, 3 ms that one who works is waited for.
-- Answers 'mine' where the asker is to do it, 'reused' where it came with another digest, 'wait' where somebody does it,
-- else 'done' and the answer.
local known = redis.call('HMGET', KEYS[1], 'digest', 'by', 'answer')
if known[1] and known[1] ~= ARGV[1] then return { 'reused' } end
if known[3] then return { 'done', known[3] } end
if known[2] and known[2] ~= ARGV[2] then return { 'wait' } end
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'by', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { 'mine' }
