-- KEYS: meta, log, snapshot. ARGV: shard, term, writer, an epoch in case one is needed.
local shard, term, writer = ARGV[1], ARGV[2], ARGV[3]
local at = redis.call('HMGET', meta, 'epoch', 'entries', 'fence:' .. shard)
if at[3] and greater(at[3], term) then
  return { 'fenced', at[3] }
end
-- No such log yet, or one that was evicted: Redis may drop any key when it is full.
if not at[1] or redis.call('XLEN', log) ~= tonumber(at[2]) then
  begin(ARGV[4])
end
redis.call('HSET', meta, 'fence:' .. shard, term, 'writer:' .. shard, writer)
local now = redis.call('HMGET', meta, 'epoch', 'seq', 'last:' .. shard)
local has = redis.call('HGET', KEYS[3], 'epoch') == now[1]
return { 'ok', now[1], now[2], now[3] or '', has and 1 or 0 }
