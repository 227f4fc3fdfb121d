-- Logs after a cursor each. KEYS: from 3 on each room's log and record. ARGV: 5 entries of a room, 6 bytes of a room,
-- then each room's cursor and the ms that it keeps a message.
-- Answers epoch, clock, then for each room { newest, more, offset, previous, message, ... }: nested, never unpacked.
local answer = { epoch, text(now) }
local most, size = tonumber(ARGV[5]), tonumber(ARGV[6])
for i = 1, (#KEYS - 2) / 2 do
  local oldest = now - tonumber(ARGV[6 + 2 * i]) * 1000
  local after = math.max(tonumber(ARGV[5 + 2 * i]), oldest - 1)
  local newest = record(KEYS[2 + 2 * i])
  local room, left = { text(newest), 0 }, size
  -- One more than asked for tells whether there are more.
  for k, entry in ipairs(redis.call('XRANGE', KEYS[1 + 2 * i], '(' .. text(after) .. '-0', '+', 'COUNT', most + 1)) do
    if k > most or (k > 1 and left <= 0) then room[2] = 1; break end
    local fields = entry[2]
    left = left - #fields[6] - 100
    room[#room + 1] = string.match(entry[1], '^%d+')
    room[#room + 1] = fields[2]
    room[#room + 1] = fields[6]
  end
  answer[#answer + 1] = room
end
return answer
