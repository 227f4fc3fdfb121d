-- What every script of a partition begins with: the store's unbroken life (its epoch), and a new point of its clock.
-- KEYS: 1 the epoch, 2 the clock. ARGV: 1 the epoch that the node knows, 2 the highest offset that it has seen in it,
-- 3 an id for a new epoch, 4 for how long a room's newest offset is remembered, in µs.
-- The server is asked who it is here and not by the node, so that no script ever runs on a server that nobody looked at.
-- Its replication id is another one after each restart and each promotion, also one back to who was the master before.
local function text(number) return string.format('%.0f', number) end
local function info(section, field) return string.match(redis.call('INFO', section), field .. ':([^\r\n]*)') end

local life = redis.call('HMGET', KEYS[1], 'id', 'run', 'base', 'from', 'server')
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local time = redis.call('TIME')
local now = math.max(last + 1, time[1] * 1000000 + time[2])
local run = info('replication', 'master_replid')
local seen, ttl = tonumber(ARGV[2]), tonumber(ARGV[4])

local isPromoted = life[2] ~= run and info('replication', 'second_repl_offset') ~= '-1'
local server = life[2] ~= run and info('server', 'run_id') or life[5]
if life[1] and life[2] ~= run and not isPromoted then
  if life[5] == server then
    -- The same process: it has got its first replica, or forgotten its last one.
    life[2] = run
    redis.call('HSET', KEYS[1], 'run', run)
  elseif info('persistence', 'aof_enabled') == '1' then
    -- The same store from its append-only file. Nobody can have seen an offset between these two, unless its end was lost.
    life[2], life[3], life[4] = run, text(last), text(now)
    redis.call('HSET', KEYS[1], 'run', run, 'server', server, 'base', life[3], 'from', life[4])
  end
end
local lost = life[1] == ARGV[1] and life[3] and seen > tonumber(life[3]) and seen < tonumber(life[4])
if not life[1] or life[2] ~= run or lost then
  life = { ARGV[3], run }
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'id', life[1], 'run', run, 'server', server)
end
redis.call('SET', KEYS[2], text(now))
local epoch = life[1]

-- A room's record: `<newest offset> <number of its last logged message>`. One that expired was older than the record's
-- time to live, so that the clock less that time stands for it.
local function record(key)
  local newest, count = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  return tonumber(newest) or now - ttl, tonumber(count) or 0
end
