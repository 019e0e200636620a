-- takeover puts a push whose lease is over into the queue under its next
-- attempt, or ends it when it was to stop. A queued push stays queued: its
-- task was lost, and the new attempt gets a new one.
--
-- KEYS 1–10 as in lib.lua
-- ARGV 1 id, 2 retention ms, 3 grace ms, 4 lease end ms as the caller saw it
-- Result {'ok', next epoch}, 0 when it is now stopped · {'gone'} · {'ended'} ·
--      {'held'}: the lease has changed, or is not over
local k = keyset()
local t = now()
local lease_end = tonumber(redis.call('ZSCORE', k.live, ARGV[1]) or '-1')
if lease_end ~= tonumber(ARGV[4]) or lease_end > t then return {'held'} end
local rec = load(k.push)
if not rec or TERMINAL[rec.state] then
  redis.call('ZREM', k.live, ARGV[1])
  return {rec and 'ended' or 'gone'}
end
if rec.desired == 'stop' then
  if not reach(rec.state, 'stopped') then return {'held'} end
  finish(k, rec, 'stopped', '', t)
  return {'ok', '0'}
end
if rec.state ~= 'queued' and not may(rec.state, 'queued') then return {'held'} end
local message = 'its worker is gone'
if rec.state == 'queued' then message = 'its task was lost' end
redis.call('HSET', k.push, 'last_epoch', int(rec.epoch), 'last_worker', '')
return {'ok', int(requeue(k, rec, tonumber(ARGV[3]), message, t))}
