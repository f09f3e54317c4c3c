-- KEYS: meta, log, snapshot, stage. ARGV: shard, term, writer, epoch, the position, 1 for a whole snapshot, how many fields were staged,
-- how many segments are gone, these, then segments and their frames.
local no = refused(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
if no then
  return no
end
local snapshot, stage = KEYS[3], KEYS[4]
local whole, staged, gone = ARGV[6] == '1', tonumber(ARGV[7]), tonumber(ARGV[8])
if not whole and redis.call('HGET', snapshot, 'epoch') ~= ARGV[4] then
  return { 'whole' }
end
if staged > 0 and redis.call('HLEN', stage) ~= staged then
  return { 'whole' }
end
if whole then
  redis.call('UNLINK', snapshot)
  if staged > 0 then
    redis.call('RENAME', stage, snapshot)
    redis.call('PERSIST', snapshot)
  end
elseif staged > 0 then
  for _, field in ipairs(redis.call('HKEYS', stage)) do
    redis.call('HSET', snapshot, field, redis.call('HGET', stage, field))
  end
  redis.call('UNLINK', stage)
end
for at = 9, 8 + gone, 1000 do
  redis.call('HDEL', snapshot, unpack(ARGV, at, math.min(at + 999, 8 + gone)))
end
for at = 9 + gone, #ARGV, 1000 do
  redis.call('HSET', snapshot, unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
redis.call('HSET', snapshot, 'epoch', ARGV[4], 'pos', ARGV[5])
return { 'ok' }
