-- ARGV: 1 id. Answers the connection, where it is online.
return isOnline(ARGV[1]) and described(ARGV[1]) or false
