-- KEYS: meta, log. ARGV: shard, term, writer, epoch, what it tells.
local no = refused(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if no then
  return no
end
local time = redis.call('TIME')
local now = string.format('%d%03d', time[1], math.floor(time[2] / 1000))
redis.call('HSET', meta, 'beat:' .. ARGV[1], now .. ' ' .. ARGV[5])
return { 'ok', now }
