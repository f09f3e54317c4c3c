-- What several scripts share. Numbers of the log have 61 bits and Lua's 53, so they stay text here: Redis counts (HINCRBY),
-- and what it counted is read again as text.
local meta, log = KEYS[1], KEYS[2]

local function greater(a, b)
  return #a > #b or (#a == #b and a > b)
end

-- Begins another incarnation: fences stay, everything else of the old one goes. Its numbers begin at the clock, in units of 1/1024 µs,
-- and above what was given out before.
local function begin(epoch)
  local time = redis.call('TIME')
  local base = string.format('%.0f', (tonumber(time[1]) * 1000000 + tonumber(time[2])) * 1024)
  local before = redis.call('HGET', meta, 'seq')
  if before and not greater(base, before) then
    redis.call('HINCRBY', meta, 'seq', '1048576')
    base = redis.call('HGET', meta, 'seq')
  end
  local gone = {}
  for _, field in ipairs(redis.call('HKEYS', meta)) do
    if field:sub(1, 5) == 'last:' or field:sub(1, 5) == 'beat:' then
      gone[#gone + 1] = field
    end
  end
  for at = 1, #gone, 1000 do
    redis.call('HDEL', meta, unpack(gone, at, math.min(at + 999, #gone)))
  end
  redis.call('UNLINK', log)
  redis.call('HSET', meta, 'epoch', epoch, 'seq', base, 'gone', base, 'chain', epoch, 'entries', '0', 'bytes', '0', 'floor', '0')
end

-- Whether this writer may write: nothing if so, otherwise what to answer.
local function refused(shard, term, writer, epoch)
  local at = redis.call('HMGET', meta, 'epoch', 'fence:' .. shard, 'writer:' .. shard)
  if at[1] ~= epoch then
    return { 'epoch', at[1] or '' }
  end
  if at[2] ~= term or at[3] ~= writer then
    return { 'fenced', at[2] or '0' }
  end
end
