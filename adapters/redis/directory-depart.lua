-- ARGV: 1 id, 2 ms that it is a member still.
if not isOnline(ARGV[1]) then return 0 end
depart(ARGV[1], nowMs() + tonumber(ARGV[2]))
return 1
