-- release gives a push back at the end of an attempt that did not end it.
--
-- KEYS 1–10 as in lib.lua
-- ARGV 1 id, 2 retention ms, 3 grace ms, 4 epoch, 5 worker, 6 JSON array of
--      fields and values, 7 JSON array of events, 8 grace ms of a push whose
--      next attempt was announced: who prepared it claims at once, or is gone,
--      9 JSON array of samples as sample() takes them, 10 what its next attempt
--      waits for, '' when that is not known
-- Result {'ok', next epoch}, 0 when the push was to stop and is now stopped ·
--      {'gone'} · {'stale'} · {'illegal', state}
-- A repeated call (its reply was lost) answers the same until somebody claims.
local k = keyset()
local epoch, worker = tonumber(ARGV[4]), ARGV[5]
local rec = load(k.push)
if not rec then return {'gone'} end
if rec.last_epoch == epoch and rec.last_worker == worker then
  if rec.state == 'queued' and rec.epoch == epoch + 1 then return {'ok', int(rec.epoch)} end
  if rec.state == 'stopped' then return {'ok', '0'} end
end
if not owns(rec, epoch, worker) then
  unstrike(k, rec, epoch) -- its worker lives, so it was only cut off
  return {'stale'}
end
local stop = rec.desired == 'stop'
local to = stop and 'stopped' or 'queued'
if rec.state ~= to and not reach(rec.state, to) then return {'illegal', rec.state} end

local t = now()
rec.epoch = epoch
even_if_full(k)
set_fields(k.push, cjson.decode(ARGV[6]))
redis.call('HSET', k.push, 'epoch', int(epoch), 'last_epoch', int(epoch), 'last_worker', worker)
attempt_events(k, rec, epoch, cjson.decode(ARGV[7]))
sample(k, cjson.decode(ARGV[9]))
if stop then
  finish(k, rec, 'stopped', '', t)
  return {'ok', '0'}
end
local grace = tonumber(rec.announced == epoch + 1 and ARGV[8] or ARGV[3])
local why = ARGV[10]
local next = requeue(k, rec, grace, why == '' and 'released by its worker' or 'given back before its room was opened', t)
if why ~= '' then waits(k, rec, why, t) end
return {'ok', int(next)}
