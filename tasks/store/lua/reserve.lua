-- reserve keeps a worker free of new pushes for one that must run alone: one
-- worker of the fleet at a time, for a while, and then none for a while. The
-- one that is empty soonest is preferred.
--
-- KEYS 1 reservation, 2 record of the push, 3 workers
-- ARGV 1 id, 2 worker, 3 ms until the worker is empty as far as it knows, 4
--      strikes from which on a push runs alone, 5 ms until it has to ask again,
--      6 ms it may be kept at all, 7 ms of rest after that
-- Result 1 the worker is kept · 0 it is not, or not any more
local t = now()
local id, worker, empty_in, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[6])
local rec = load(KEYS[2])
local v = redis.call('HMGET', KEYS[1], 'id', 'worker', 'empty_in', 'asked_until', 'until', 'rest_until')
local held = v[1] and {
  id = v[1], worker = v[2], empty_in = tonumber(v[3]) or 0, asked_until = tonumber(v[4]) or 0,
  ends = tonumber(v[5]) or 0, rests = tonumber(v[6]) or 0,
}

if not rec or rec.state ~= 'queued' or rec.desired == 'stop' or rec.strikes < tonumber(ARGV[4]) then
  if held and held.id == id then redis.call('DEL', KEYS[1]) end
  return 0
end
-- The only worker closes to others for no longer than it surely takes.
local alone = redis.call('ZCOUNT', KEYS[3], '(' .. int(t), '+inf') < 2
if alone and empty_in > keep then return 0 end

local mine = held and held.id == id and held.worker == worker
if held and not mine then
  local runs = t < held.ends and t < held.asked_until
  if runs and (held.id ~= id or empty_in >= held.empty_in) then return 0 end
end
if held and t >= held.ends and t < held.rests then return 0 end
if not held or t >= held.rests then
  held = {ends = t + keep, rests = t + keep + tonumber(ARGV[7])}
end
redis.call('HSET', KEYS[1], 'id', id, 'worker', worker, 'empty_in', int(empty_in),
  'asked_until', int(t + tonumber(ARGV[5])), 'until', int(held.ends), 'rest_until', int(held.rests))
redis.call('PEXPIREAT', KEYS[1], int(held.rests))
return 1
