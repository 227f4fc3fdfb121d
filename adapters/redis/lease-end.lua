-- A node ends. ARGV: 1 its lease. What it could not write off is left to whoever sweeps: its lease says when it was seen.
return redis.call('HDEL', NODES, ARGV[1])
