-- register writes the record of a running push anew after Redis has lost it.
--
-- KEYS 1–10 as in lib.lua, 11 index of all, 12 of the room, 13 of the app, 14
--      of the user, 15 record of the user's holder (ARGV 8)
-- ARGV 1 id, 2 retention ms, 3 lease ms, 4 envelope, 5 epoch, 6 worker, 7
--      number of the renew this belongs to, 8 holder of the user the caller
--      has seen ('' at first), 9 JSON array of fields and values of the
--      record, 10 JSON array of events, 11 warning code, 12 warning message
-- Result {'kept'} · {'stop'} · {'lost'}: another push is the user now, another
--      record of this one is there, or it has ended · {'holder', id}: call
--      again with it as ARGV 8
-- A record that is there belongs to the attempt as it does in renew; a
-- repeated call (its reply was lost) therefore answers the same.
local k = keyset()
local id, lease, epoch, worker = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[5]), ARGV[6]
local t = now()

local function verdict(desired)
  redis.call('ZREM', queued_key(k.push), id)
  redis.call('ZADD', k.live, int(t + lease), id)
  return {desired == 'stop' and 'stop' or 'kept'}
end

local rec = load(k.push)
if rec then
  if not owns(rec, epoch, worker) then
    unstrike(k, rec, epoch)
    return {'lost'}
  end
  if rec.epoch < epoch or rec.worker == '' then
    hold(k, rec, epoch, worker)
    if may(rec.state, 'starting') then enter(k, rec, 'starting', '', t) end
  end
  return verdict(rec.desired)
end

-- A push that ended long ago has no record either; it must not come back.
for _, state in ipairs({'completed', 'failed', 'stopped'}) do
  if redis.call('ZSCORE', k[state], id) then return {'lost'} end
end

local holder = redis.call('GET', k.user)
if holder and holder ~= id then
  if holder ~= ARGV[8] then return {'holder', holder} end
  local state = redis.call('HGET', KEYS[15], 'state')
  if state and not TERMINAL[state] then return {'lost'} end
end

set_fields(k.push, cjson.decode(ARGV[9]))
redis.call('HSET', k.push, 'id', id, 'epoch', int(epoch), 'worker', worker, 'renew_seq', ARGV[7])
redis.call('SET', k.secret, ARGV[4])
redis.call('SET', k.user, id)
redis.call('ZADD', k.active, 0, id)
for i = 11, 14 do redis.call('ZADD', KEYS[i], 0, id) end
rec = load(k.push)
local trouble = redis.call('HGET', k.push, 'trouble') or ''
-- What was told before, by all that is known, is not told again.
if redis.call('HEXISTS', k.push, 'started_at') == 1 then redis.call('HSETNX', k.push, 'webhook_started', '1') end
-- Streams know no push any more; a state shows this one.
if attempt_events(k, rec, epoch, cjson.decode(ARGV[10])) ~= rec.state then state_event(k, rec.state, epoch, '', t) end
if trouble ~= '' and interrupted(k.push, rec.state) then redis.call('HSETNX', k.push, 'webhook_trouble', int(epoch)) end
warning_event(k, epoch, ARGV[11], ARGV[12], t)
return verdict(rec.desired)
