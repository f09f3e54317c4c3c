-- KEYS: meta, which says which server's clock.
local time = redis.call('TIME')
return string.format('%d%03d', time[1], math.floor(time[2] / 1000))
