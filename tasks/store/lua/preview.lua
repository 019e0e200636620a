-- preview keeps the preview that the owner of a push has made.
--
-- KEYS 1 record, 2 preview
-- ARGV 1 epoch, 2 worker, 3 at ms, 4 jpeg, 5 how long it is kept, ms
-- Result {'ok'} · {'gone'} · {'stale'}: it is another attempt's
local rec = load(KEYS[1])
if not rec then return {'gone'} end
if not owns(rec, tonumber(ARGV[1]), ARGV[2]) then return {'stale'} end
redis.call('HSET', KEYS[2], 'at', ARGV[3], 'jpeg', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return {'ok'}
