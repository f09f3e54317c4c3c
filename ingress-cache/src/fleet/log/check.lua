-- KEYS: meta, log. ARGV: after which entry, how many.
return {
  redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'chain', 'gone'),
  redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2]),
}
