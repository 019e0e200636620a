-- forget takes a push out of the leases, and of those that have not ended, when there
-- is no record of it or it has ended.
--
-- KEYS 1 live, 2 record, 3 active
-- ARGV 1 id
-- Result {'ok'} · {'held'}
local is_record = redis.call('TYPE', KEYS[2]).ok == 'hash'
local rec = is_record and load(KEYS[2])
if rec and not TERMINAL[rec.state] then return {'held'} end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', queued_key(KEYS[2]), ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return {'ok'}
