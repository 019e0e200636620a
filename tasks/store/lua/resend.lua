-- resend puts a dead webhook back into its push's outbox, behind what is there.
-- It is as old as it is, but has all the time of a new one.
--
-- KEYS 1 outboxes, 2 outbox, 3 delivery, 4 dead webhooks, 5 this one
-- ARGV 1 push, 2 id of the event
-- Result {'ok'} · {'gone'}
local event = redis.call('GET', KEYS[5])
if not event then return {'gone'} end
local t = now()
local again = cjson.decode(event)
again.since, again.diedAt, again.answer, again.tries = int(t), nil, nil, nil
redis.call('RPUSH', KEYS[2], cjson.encode(again))
redis.call('PEXPIRE', KEYS[2], OUTBOX_MS)
redis.call('HDEL', KEYS[3], 'failures')
redis.call('ZADD', KEYS[1], int(t), ARGV[1])
redis.call('DEL', KEYS[5])
redis.call('ZREM', KEYS[4], ARGV[2])
return {'ok'}
