-- next takes what has been delivered out of an outbox and returns what is to
-- be delivered now: the oldest event, or how far the push is. An empty outbox
-- is left.
--
-- KEYS 1 outboxes, 2 outbox, 3 delivery
-- ARGV 1 push, 2 number of the bell, 3 lease ms, 4 id of the event that has
--      been delivered, '' at first, 5 ms that the numbers of its bells are kept
--      when it is empty
-- Result {'ok', event, failures in a row} · {'empty'} · {'stale'}: a later bell
--      has been rung
if redis.call('HGET', KEYS[3], 'rung') ~= ARGV[2] then return {'stale'} end
redis.call('HSET', KEYS[3], 'heard', ARGV[2])

if ARGV[4] ~= '' then
  taken_out(KEYS[2], KEYS[3], ARGV[4])
  redis.call('HDEL', KEYS[3], 'failures')
end
local event = redis.call('LINDEX', KEYS[2], 0) or redis.call('HGET', KEYS[3], 'progress')
if not event then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
  return {'empty'}
end
redis.call('ZADD', KEYS[1], int(now() + tonumber(ARGV[3])), ARGV[1])
return {'ok', event, redis.call('HGET', KEYS[3], 'failures') or '0'}
