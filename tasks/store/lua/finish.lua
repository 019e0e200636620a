-- finish ends a push at the end of an attempt. A push that is to stop ends as
-- stopped, whatever the attempt says.
--
-- KEYS 1–10 as in lib.lua
-- ARGV 1 id, 2 retention ms, 3 epoch, 4 worker, 5 state, 6 failure as JSON or
--      '', 7 JSON array of fields and values, 8 JSON array of events, 9 JSON array of
--      samples as sample() takes them
-- Result {'ok', state} · {'gone'} · {'stale'} · {'illegal', state}
-- A repeated call (its reply was lost) answers 'ok' again.
local k = keyset()
local epoch, worker, state, failure = tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local rec = load(k.push)
if not rec then return {'gone'} end
if TERMINAL[rec.state] and rec.last_epoch == epoch and rec.last_worker == worker then return {'ok', rec.state} end
if not owns(rec, epoch, worker) then
  unstrike(k, rec, epoch) -- its worker lives, so it was only cut off
  return {'stale'}
end

if rec.desired == 'stop' then state, failure = 'stopped', '' end
local behind = rec.epoch < epoch or rec.worker == ''
local legal = may(rec.state, state) or ((behind or state == 'stopped') and reach(rec.state, state))
if not legal or not TERMINAL[state] then return {'illegal', rec.state} end

rec.epoch = epoch
even_if_full(k)
set_fields(k.push, cjson.decode(ARGV[7]))
redis.call('HSET', k.push, 'epoch', int(epoch), 'last_epoch', int(epoch), 'last_worker', worker)
attempt_events(k, rec, epoch, cjson.decode(ARGV[8]))
sample(k, cjson.decode(ARGV[9]))
finish(k, rec, state, failure, now())
return {'ok', state}
