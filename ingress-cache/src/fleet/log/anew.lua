-- KEYS: meta, log. ARGV: the epoch that is over, the next one.
local epoch = redis.call('HGET', meta, 'epoch')
if epoch == ARGV[1] then
  begin(ARGV[2])
  return { 'ok', ARGV[2] }
end
return { 'epoch', epoch or '' }
