-- create stores a new push whole or not at all.
--
-- KEYS 1–10 as in lib.lua, 11 idempotency, 12 index of all, 13 of the room,
--      14 of the app, 15 of the user, 16 record of the user's holder (ARGV 7), 17
--      workers, 18 fleet
-- ARGV 1 id, 2 retention ms, 3 grace ms, 4 envelope, 5 digests that the body
--      may be known by, of which the first is stored ('' without an
--      idempotency key), 6 idempotency TTL ms, 7 holder the caller has seen (''
--      at first), 8 push under the idempotency key whose record the caller
--      found gone ('' at first), 9 created_at ms (0: now), 10 JSON array of
--      fields and values of the record
-- Result {'created', field, value, …} with created_at and, when no worker would
--      take it now, why it waits and since when · {'same', id} under the idempotency key ·
--      {'reused', id} of the key's push, another body · {'busy', id} of the holder ·
--      {'holder', id}: call again with it as ARGV 7
-- A repeated call with the same id (its reply was lost) answers 'created'.
local k = keyset()
local id = ARGV[1]
local function created()
  local result = {'created'}
  for _, field in ipairs({'created_at', 'waiting', 'waiting_since'}) do
    result[#result + 1] = field
    result[#result + 1] = redis.call('HGET', k.push, field) or ''
  end
  return result
end
if redis.call('HEXISTS', k.push, 'created_at') == 1 then return created() end

if ARGV[5] ~= '' then
  local seen = redis.call('GET', KEYS[11])
  if seen then
    local digest, other = string.match(seen, '^([^ ]*) (.*)$')
    if not listed(ARGV[5], digest) then return {'reused', other} end
    if other ~= ARGV[8] then return {'same', other} end
  end
end

local holder = redis.call('GET', k.user)
if holder and holder ~= id then
  if holder ~= ARGV[7] then return {'holder', holder} end
  local state = redis.call('HGET', KEYS[16], 'state')
  if state and not TERMINAL[state] then return {'busy', holder} end
end

local t = now()
local created_at = ARGV[9]
if created_at == '0' then created_at = int(t) end
set_fields(k.push, cjson.decode(ARGV[10]))
redis.call('HSET', k.push, 'id', id, 'state', 'queued', 'desired', 'run', 'worker', '', 'created_at', created_at)
redis.call('SET', k.secret, ARGV[4])
redis.call('SET', k.user, id)
if ARGV[5] ~= '' then redis.call('SET', KEYS[11], string.match(ARGV[5], '^%S+') .. ' ' .. id, 'PX', ARGV[6]) end
redis.call('ZADD', queued_key(k.push), int(t + tonumber(ARGV[3])), id)
redis.call('ZADD', k.active, 0, id)
for i = 12, 15 do redis.call('ZADD', KEYS[i], 0, id) end
local rec = load(k.push)
state_event(k, 'queued', rec.epoch, '', t)
local lack = fleet(KEYS[17], KEYS[18], k.active, sealed_with(ARGV[4]), 0, t).lack
if lack ~= '' then waits(k, rec, lack, t) end
return created()
