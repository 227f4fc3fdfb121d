-- ARGV: 1 id. Answers what it was.
return forget(ARGV[1]) or false
