-- save writes a resume record unless a newer push plays that, which writes it each
-- second. Ids are UUIDv7, so the greater text is the newer push. It runs in Redis servers of others, too,
-- and uses nothing but this.
--
-- KEYS 1 resume record
-- ARGV 1 push_id, 2 position_ms, 3 duration_ms, 4 updated_at, 5 finished,
--      6 TTL ms, 7 unclocked, 8 updated_at from which on its owner plays
-- Result 1 written · 0 a newer push owns it
local owner, at = unpack(redis.call('HMGET', KEYS[1], 'push_id', 'updated_at'))
if owner and #owner == #ARGV[1] and owner > ARGV[1] and at and #at == #ARGV[8] and at >= ARGV[8] then return 0 end
redis.call('HSET', KEYS[1], 'push_id', ARGV[1], 'position_ms', ARGV[2], 'duration_ms', ARGV[3],
  'updated_at', ARGV[4], 'finished', ARGV[5], 'unclocked', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
