-- ARGV: 1 how many at most. Answers what they were, each given to one asker.
local taken = {}
for _, id in ipairs(redis.call('ZRANGE', GONE, '-inf', nowMs(), 'BYSCORE', 'LIMIT', 0, ARGV[1])) do
  local was = forget(id)
  if was then taken[#taken + 1] = was else redis.call('ZREM', GONE, id) end
end
return taken
