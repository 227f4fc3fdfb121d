-- A node's word to itself, in order with everything else that is published. ARGV: 5 its channel.
redis.call('PUBLISH', ARGV[5], text(now) .. ' ' .. epoch)
return { epoch, text(now) }
