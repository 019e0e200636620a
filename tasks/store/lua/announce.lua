-- announce marks a push whose worker is about to give it back, so that the
-- next attempt may prepare while this one still publishes. It moves nothing:
-- who owns the push is told by epoch and worker, as before.
--
-- KEYS 1 record, 2 workers
-- ARGV 1 epoch, 2 worker
-- Result {'ok'} · {'cold'}: not marked, for there is no other worker, or the
--      push is to stop, or has strikes and is not to be prepared beside others
--      · {'gone'} · {'stale'}
-- A repeated call answers the same and leaves a mark that is ready as it is.
local epoch, worker = tonumber(ARGV[1]), ARGV[2]
local rec = load(KEYS[1])
if not rec then return {'gone'} end
if TERMINAL[rec.state] or rec.epoch ~= epoch or rec.worker ~= worker then
  unstrike({push = KEYS[1]}, rec, epoch) -- its worker lives, so it was only cut off
  return {'stale'}
end

local t = now()
local others = redis.call('ZCOUNT', KEYS[2], '(' .. int(t), '+inf')
if (tonumber(redis.call('ZSCORE', KEYS[2], worker)) or 0) > t then others = others - 1 end
if others < 1 or rec.desired == 'stop' or rec.strikes > 0 then return {'cold'} end

if rec.announced ~= epoch + 1 then redis.call('HSET', KEYS[1], 'handover', int(epoch + 1)) end
return {'ok'}
