-- What its owner writes. KEYS: 1 the session. ARGV: 1 the owner's number, 2 its connection ('': any), 3 what to do, and
-- for that: 'join' 4 the room's field, 5 its value, 6 ms that it lives; 'leave' 4 the field, 5 ms; 'renew' and 'drop' 4 ms; 'end'.
-- One that was dropped is kept for no longer by what its owner still does.
-- Answers 1 where it was done, 0 where it is not the owner, -1 where there is no such session.
local known = redis.call('HMGET', KEYS[1], 'owner', 'ids', 'dropped')
if not known[1] then return -1 end
if known[1] ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' and string.match(known[2], '%S+$') ~= ARGV[2] then return 0 end
local function live(ms) if not known[3] then redis.call('PEXPIRE', KEYS[1], ms) end end
if ARGV[3] == 'join' then
  redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
  live(ARGV[6])
elseif ARGV[3] == 'leave' then
  redis.call('HDEL', KEYS[1], ARGV[4])
  live(ARGV[5])
elseif ARGV[3] == 'renew' then
  live(ARGV[4])
elseif ARGV[3] == 'drop' then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'dropped', time[1] * 1000 + math.floor(time[2] / 1000))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
else
  redis.call('DEL', KEYS[1])
end
return 1
