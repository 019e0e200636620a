-- announce marks a push whose worker is about to give it back, so that the
-- next attempt may prepare while this one still publishes. It moves nothing:
-- who owns the push is told by epoch and worker, as before.
--
-- KEYS 1 record, 2 workers, 3 what they tell of themselves
-- ARGV 1 epoch, 2 worker
-- Result {'ok'} · {'cold'}: not marked, for no other worker is there that stays, or the
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

local function heir()
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. int(now()), '+inf')) do
    local ok, told = pcall(cjson.decode, redis.call('HGET', KEYS[3], name) or '')
    local leaves = ok and type(told) == 'table' and told.state == 'draining'
    if name ~= worker and not leaves then return true end
  end
  return false
end
if rec.desired == 'stop' or rec.strikes > 0 or not heir() then return {'cold'} end

if rec.announced ~= epoch + 1 then redis.call('HSET', KEYS[1], 'handover', int(epoch + 1)) end
return {'ok'}
