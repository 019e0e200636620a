-- expired lists pushes whose lease is over, longest first.
--
-- KEYS 1 live
-- ARGV 1 limit
-- Result {id, lease end ms, …}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now()), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
