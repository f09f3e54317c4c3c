-- KEYS: beats (by time), what they told. ARGV: who (nobody only looks), what they tell, for how many milliseconds a beat keeps one alive.
-- Answers with who, how old, and what they told.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function text(number)
  return string.format('%.0f', number)
end
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], text(now), ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  -- Whoever has not beaten for a minute is forgotten, a hundred at a time.
  local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now - 60000), 'LIMIT', 0, 100)
  if #gone > 0 then
    redis.call('ZREM', KEYS[1], unpack(gone))
    redis.call('HDEL', KEYS[2], unpack(gone))
  end
  redis.call('PEXPIRE', KEYS[1], 600000)
  redis.call('PEXPIRE', KEYS[2], 600000)
end
local beats = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now - tonumber(ARGV[3])), '+inf', 'WITHSCORES', 'LIMIT', 0, 1000)
local answer = {}
for at = 1, #beats, 2 do
  answer[#answer + 1] = { beats[at], math.max(0, now - tonumber(beats[at + 1])), redis.call('HGET', KEYS[2], beats[at]) or '' }
end
return answer
