-- undelivered notes that an event could not be delivered, and when the outbox
-- is due again. How far a push is is not tried again, nor does it count as a
-- failure; what else is dead is kept for a while.
--
-- KEYS 1 outboxes, 2 outbox, 3 delivery, 4 dead webhooks
-- ARGV 1 push, 2 number of the bell, 3 id of the event, 4 ms until it is due
--      again, 5 what the receiver answered, '' when it was not asked (this is no
--      failure), 6 whether it is dead, '1' or '0', 7 ms that dead ones are kept, 8
--      how many of them
-- Result {'ok'} · {'stale'}
if redis.call('HGET', KEYS[3], 'rung') ~= ARGV[2] then return {'stale'} end
local t = now()
redis.call('ZADD', KEYS[1], int(t + tonumber(ARGV[4])), ARGV[1])
if ARGV[5] == '' then return {'ok'} end
local text = taken_out(KEYS[2], KEYS[3], ARGV[3])
if not text then return {'ok'} end -- another has taken its place, or too many came after it
local event = cjson.decode(text)
if event.type == 'push.progress' then return {'ok'} end
redis.call('HINCRBY', KEYS[3], 'failures', 1)
event.tries = (event.tries or 0) + 1
if ARGV[6] ~= '1' then
  redis.call('LPUSH', KEYS[2], cjson.encode(event))
  redis.call('PEXPIRE', KEYS[2], OUTBOX_MS)
  return {'ok'}
end
event.diedAt, event.answer = int(t), ARGV[5]
redis.call('SET', KEYS[4] .. ':' .. ARGV[3], cjson.encode(event), 'PX', ARGV[7])
redis.call('ZADD', KEYS[4], int(t), ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', int(t - tonumber(ARGV[7])))
for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1 - tonumber(ARGV[8]))) do
  redis.call('DEL', KEYS[4] .. ':' .. id)
  redis.call('ZREM', KEYS[4], id)
end
return {'ok'}
