-- KEYS: lock, counter. ARGV: who, for how many milliseconds, the epoch that one has, the one to be above of.
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. ' ' .. ARGV[3] then
  return false
end
local counted = tonumber(redis.call('GET', KEYS[2]) or '0')
local epoch = string.format('%.0f', math.max(counted, tonumber(ARGV[4])) + 1)
redis.call('SET', KEYS[2], epoch)
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. epoch, 'PX', ARGV[2])
return tonumber(epoch)
