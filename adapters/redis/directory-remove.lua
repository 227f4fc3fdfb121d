-- ARGV: 1 id, 2 an id of the asker's for this asking. Answers what it was; to one that asks again, for it had no answer, what
-- it was then.
local kept = key('given', ARGV[2])
local given = redis.call('GET', kept)
if given then return cjson.decode(given) end
local was = forget(ARGV[1])
-- Who was in no room is told to nobody.
if was and #was[8] > 0 then redis.call('SET', kept, cjson.encode(was), 'EX', 600) end
return was or false
