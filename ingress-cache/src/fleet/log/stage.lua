-- KEYS: meta, log, snapshot, stage. ARGV: shard, term, writer, epoch, 1 to begin, then segments and their frames.
-- Large snapshots come in pieces, so that no single one holds Redis up; they lie aside until all are there.
local no = refused(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if no then
  return no
end
if ARGV[5] == '1' then
  redis.call('UNLINK', KEYS[4])
end
for at = 6, #ARGV, 1000 do
  redis.call('HSET', KEYS[4], unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
redis.call('PEXPIRE', KEYS[4], 60000)
return { 'ok', redis.call('HLEN', KEYS[4]) }
