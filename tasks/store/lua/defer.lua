-- defer sets when a queued push is looked at again, and notes why it waits. A
-- new reason is a trouble in its history.
--
-- KEYS 1 live, 2 record, 3 events
-- ARGV 1 id, 2 grace ms, 3 lease end ms as the caller saw it, 4 reason
-- Result {'ok'} · {'held'}: it has changed, or is not queued
local t = now()
local lease_end = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '-1')
local rec = load(KEYS[2])
if lease_end ~= tonumber(ARGV[3]) or not rec or rec.state ~= 'queued' then return {'held'} end
redis.call('ZADD', KEYS[1], int(t + tonumber(ARGV[2])), ARGV[1])
waits({push = KEYS[2], events = KEYS[3]}, rec, ARGV[4], t)
return {'ok'}
