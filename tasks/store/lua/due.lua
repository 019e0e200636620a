-- due lists ended pushes whose records have expired, oldest first.
--
-- KEYS 1 ended
-- ARGV 1 limit
-- Result members of ended: JSON arrays of id, state, app, room, user
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now()), 'LIMIT', 0, ARGV[1])
