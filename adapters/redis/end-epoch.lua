-- Ends an epoch that is known to have lost something. KEYS: 1 the epoch. ARGV: 1 its id.
if redis.call('HGET', KEYS[1], 'id') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
