-- refused notes why a worker does not take a queued push, once the push has
-- waited for a while. A new reason is a trouble in its history.
--
-- KEYS 1 record, 2 events
-- ARGV 1 epoch, 2 ms since its creation before which nothing is noted, 3 reason,
--      4 reasons that it replaces, which nobody but a sweeper has found,
--      separated by spaces
-- Result {'ok'} · {'held'}: it has changed, or is not queued
local rec = load(KEYS[1])
if not rec or rec.state ~= 'queued' or rec.epoch ~= tonumber(ARGV[1]) then return {'held'} end
local t = now()
local created = tonumber(redis.call('HGET', KEYS[1], 'created_at') or '0') or 0
if t - created >= tonumber(ARGV[2]) and (rec.waiting == '' or listed(ARGV[4], rec.waiting)) then
  waits({push = KEYS[1], events = KEYS[2]}, rec, ARGV[3], t)
end
return {'ok'}
