-- KEYS: lock, counter. ARGV: who, nothing of use here, the epoch that one has.
if redis.call('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[3] then
  redis.call('DEL', KEYS[1])
end
return false
