-- look says that somebody looks at a push, and returns its preview.
--
-- KEYS 1 preview, 2 looks
-- ARGV 1 id of the push, 2 how long this counts as a look, ms
-- Result {'ok', at ms, jpeg} · {'none'}
local t, span = now(), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(t))
redis.call('ZADD', KEYS[2], int(t + span), ARGV[1])
redis.call('PEXPIRE', KEYS[2], int(span))
local v = redis.call('HMGET', KEYS[1], 'at', 'jpeg')
if not v[1] or not v[2] then return {'none'} end
return {'ok', v[1], v[2]}
