-- ready notes who has prepared the attempt that announce has announced.
--
-- KEYS 1 record
-- ARGV 1 epoch of that attempt, 2 worker
-- Result {'ok'} · {'gone'} · {'stale'}: the push is not being handed over to
--      this attempt (any more)
-- Of two that are ready the last is noted; claim decides between them. Nobody's
-- strike is taken back here: who prepares has never owned the push.
local epoch, worker = tonumber(ARGV[1]), ARGV[2]
local rec = load(KEYS[1])
if not rec then return {'gone'} end
local announced = rec.epoch + 1 == epoch and rec.announced == epoch
if not announced or rec.worker == '' or TERMINAL[rec.state] then return {'stale'} end
redis.call('HSET', KEYS[1], 'handover', int(epoch) .. ' ' .. worker)
return {'ok'}
