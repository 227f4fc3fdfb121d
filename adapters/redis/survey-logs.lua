-- Whether logs are whole from a cursor each, by one entry of each. KEYS and the rooms' ARGV as in read-logs, from 5 on.
-- Answers epoch, clock, the two points between which a restart lost whatever there was, then for each room
-- { newest, the first entry's previous offset or '', how many entries follow the cursor }.
local answer = { epoch, text(now), life[3] or '0', life[4] or '0' }
for i = 1, (#KEYS - 2) / 2 do
  local oldest = now - tonumber(ARGV[4 + 2 * i]) * 1000
  local after = math.max(tonumber(ARGV[3 + 2 * i]), oldest - 1)
  local newest, count = record(KEYS[2 + 2 * i])
  local first = redis.call('XRANGE', KEYS[1 + 2 * i], '(' .. text(after) .. '-0', '+', 'COUNT', 1)[1]
  if first then
    answer[#answer + 1] = { text(newest), first[2][2], count - tonumber(first[2][4]) + 1 }
  else
    answer[#answer + 1] = { text(newest), '', 0 }
  end
end
return answer
