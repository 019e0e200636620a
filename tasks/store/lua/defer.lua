-- defer sets when a queued push is looked at again, and notes why it waits. A
-- new reason is a trouble in its history.
--
-- KEYS 1 queued, 2 record, 3 events, 4 secret, 5 workers, 6 fleet, 7 active
-- ARGV 1 id, 2 grace ms, 3 lease end ms as the caller saw it, 4 strikes from
--      which on a push runs alone
-- Result {'ok'} · {'held'}: it has changed, or is not queued
local t = now()
local lease_end = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '-1')
local rec = load(KEYS[2])
if lease_end ~= tonumber(ARGV[3]) or not rec or rec.state ~= 'queued' then return {'held'} end
redis.call('ZADD', KEYS[1], int(t + tonumber(ARGV[2])), ARGV[1])

local function why()
  local f = fleet(KEYS[5], KEYS[6], KEYS[7], sealed_with(redis.call('GET', KEYS[4])), 0, t)
  if f.lack == 'no_worker' then return f.lack end
  if (f.lack == '' or f.lack == 'no_free_slot' and f.free >= 1) and rec.cost > f.fits
    and not (f.empty and rec.cost > f.largest) then return 'no_capacity' end
  if rec.waiting ~= 'no_capacity' and f.refuses[rec.waiting] then return rec.waiting end -- told before, and still so
  if f.lack ~= '' and f.lack ~= 'no_free_slot' then return f.lack end
  if rec.strikes >= tonumber(ARGV[4]) then return 'needs_empty_worker' end
  -- Where pushes come and go a slot is free for a moment now and then.
  if f.lack ~= '' and (f.free < 1 or rec.waiting == f.lack) then return f.lack end
  -- So are cores: who was refused for them says so until it is claimed.
  return rec.waiting == 'no_capacity' and rec.waiting or 'waiting_for_worker'
end
waits({push = KEYS[2], events = KEYS[3]}, rec, why(), t)
return {'ok'}
