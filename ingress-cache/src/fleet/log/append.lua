-- KEYS: meta, log. ARGV: shard, term, writer, epoch, the shard's last number or nothing, how many numbers, the frame or nothing,
-- the gap, how many entries and bytes to keep, how many entries to trim at most.
local shard, term, writer, epoch, last, count, frame = unpack(ARGV, 1, 7)
local gap, entries_kept, bytes_kept, trims = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local no = refused(shard, term, writer, epoch)
if no then
  return no
end
local at = redis.call('HMGET', meta, 'last:' .. shard, 'entries', 'chain', 'floor')
local entries = redis.call('XLEN', log)
if (at[1] or '') ~= last or entries ~= tonumber(at[2]) then
  return { 'back', at[1] or '' }
end

redis.call('HINCRBY', meta, 'seq', gap)
local first = redis.call('HGET', meta, 'seq')
redis.call('HINCRBY', meta, 'seq', tostring(tonumber(count) - 1))
local final = redis.call('HGET', meta, 'seq')
redis.call('HINCRBY', meta, 'bytes', #frame)
local bytes = redis.call('HGET', meta, 'bytes')
-- A frame begins with its checksum, which stands for the rest of it here.
local link = table.concat({ at[3], shard, term, first, final, #frame, frame:sub(1, 5) }, '\0')
local chain = redis.sha1hex(link):sub(1, 16)
redis.call('XADD', log, final .. '-0', 's', shard, 't', term, 'f', first, 'p', at[3], 'x', chain, 'b', bytes, 'd', frame)
entries = entries + 1

-- `b` counts all bytes up to an entry, so that the oldest entry tells how many lie before it.
local floor, trimmed = at[4], nil
while trims > 0 and entries > 1 and (entries > entries_kept or tonumber(bytes) - tonumber(floor) > bytes_kept) do
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  for i = 1, #oldest[2], 2 do
    if oldest[2][i] == 'b' then
      floor = oldest[2][i + 1]
    end
  end
  trimmed = oldest[1]:match('^%d+')
  redis.call('XDEL', log, oldest[1])
  entries = entries - 1
  trims = trims - 1
end
redis.call('HSET', meta, 'last:' .. shard, final, 'chain', chain, 'entries', entries, 'floor', floor)
if trimmed then
  redis.call('HSET', meta, 'gone', trimmed)
end
return { 'ok', first, final }
