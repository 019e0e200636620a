-- defer sets when a queued push is looked at again.
--
-- KEYS 1 live, 2 record
-- ARGV 1 id, 2 grace ms, 3 lease end ms as the caller saw it
-- Result {'ok'} · {'held'}: it has changed, or is not queued
local lease_end = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '-1')
local rec = load(KEYS[2])
if lease_end ~= tonumber(ARGV[3]) or not rec or rec.state ~= 'queued' then return {'held'} end
redis.call('ZADD', KEYS[1], int(now() + tonumber(ARGV[2])), ARGV[1])
return {'ok'}
