-- ARGV: 1 how many at most, 2 an id of the asker's for this asking, 3 '1' where it asks again, for it had no answer. Answers
-- what they were, each given to one asker; to one that asks again what it was given then. Nobody is given to the first
-- asking where that comes after the second, by a connection that was given up: nobody would hear the answer.
local kept = key('given', ARGV[2])
local given = redis.call('GET', kept)
if given then return cjson.decode(given) end
local taken = {}
for _, id in ipairs(redis.call('ZRANGE', GONE, '-inf', nowMs(), 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local was = forget(id)
  if was then taken[#taken + 1] = was else redis.call('ZREM', GONE, id) end
end
if #taken > 0 or ARGV[3] == '1' then redis.call('SET', kept, cjson.encode(taken), 'EX', 600) end
return taken
