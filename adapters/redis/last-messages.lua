-- A room's newest entries up to an offset. KEYS: 3 its log. ARGV: 5 entries, 6 bytes, 7 the offset ('+': any), 8 the ms
-- that it keeps a message. Answers epoch, clock, '1' where the bytes left some out, offset, previous, message, ...
local most, left, cut = tonumber(ARGV[5]), tonumber(ARGV[6]), '0'
local oldest = now - tonumber(ARGV[8]) * 1000
local entries = {}
for k, entry in ipairs(redis.call('XREVRANGE', KEYS[3], ARGV[7], text(oldest) .. '-0', 'COUNT', most)) do
  if k > 1 and left <= 0 then cut = '1'; break end
  local fields = entry[2]
  left = left - #fields[6] - 100
  entries[#entries + 1] = { string.match(entry[1], '^%d+'), fields[2], fields[6] }
end
local answer = { epoch, text(now), cut }
for k = #entries, 1, -1 do
  for _, part in ipairs(entries[k]) do answer[#answer + 1] = part end
end
return answer
