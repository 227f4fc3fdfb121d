-- A node's word to itself, in order with everything else that is published. ARGV: 5 how, 6 its channel.
redis.call(ARGV[5], ARGV[6], text(now) .. ' ' .. epoch)
return { epoch, text(now) }
