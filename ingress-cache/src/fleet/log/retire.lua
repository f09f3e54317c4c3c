-- KEYS: meta, log, snapshot. ARGV: shard, term, writer, epoch.
-- The fence stays: an old writer is not to bring the shard back.
local no = refused(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if no then
  return no
end
redis.call('HDEL', meta, 'last:' .. ARGV[1], 'beat:' .. ARGV[1])
redis.call('UNLINK', KEYS[3])
return { 'ok' }
