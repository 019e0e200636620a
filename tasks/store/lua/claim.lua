-- claim gives a queued attempt to a worker.
--
-- KEYS 1–10 as in lib.lua, 11 workers, 12 what they tell of themselves
-- ARGV 1 id, 2 retention ms, 3 lease ms, 4 epoch, 5 worker, 6 how many other
--      pushes the worker runs, 7 strikes from which on a push runs alone, 8 ids
--      of the keys that the worker opens envelopes with ('' for any), 9 waiting
--      reason of a push that it cannot open, 10 ms that a push waits for an empty
--      worker before it runs beside one other, 11 what the worker's other pushes cost,
--      12 what all may cost, 0 for any, 13 what a push costs at least, 14 waiting reason
--      of one that does not fit beside them, 15 1 of a push that the worker has
--      prepared: it has its place, 16 the age in ms from which on a worker keeps its cores for
--      a new push, 17 the age in ms at which it gives way first, 18 for how many ms,
--      19 for how many ms a push that is larger than this worker waits for a larger one
-- Result {'ok', envelope, field, value, …} · {'gone'} · {'ended'} · {'stale'}
--      · {'held'} · {'isolated'}, {'no_key'}, {'no_capacity'}, {'kept'}: it
--      stays queued; kept: the worker is to keep its cores for it · {'handover',
--      envelope, field, value, …}: not given; its owner has announced this attempt, which may
--      prepare until the push is released
-- A repeated call of the same worker within one lease of its claim, before it
-- has renewed (the reply was lost), answers 'ok' again. A push that is to stop
-- is ended unless somebody holds it with a lease that runs.
local k = keyset()
local epoch, worker, lease = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[3])
local rec = load(k.push)
if not rec then return {'gone'} end
if TERMINAL[rec.state] then return {'ended'} end

local t = now()
local until_ms = tonumber(redis.call('ZSCORE', k.live, rec.id) or '0')
local held = rec.worker ~= '' and until_ms > t
if rec.desired == 'stop' and not held then
  if not reach(rec.state, 'stopped') then return {'held'} end
  finish(k, rec, 'stopped', '', t)
  return {'ended'}
end
if rec.epoch > epoch then return {'stale'} end

local function given(word)
  local result = redis.call('HGETALL', k.push)
  table.insert(result, 1, redis.call('GET', k.secret) or '')
  table.insert(result, 1, word)
  return result
end
-- What is no envelope is given, to be failed by who cannot read it.
local function foreign()
  local key = sealed_with(redis.call('GET', k.secret))
  return key ~= '' and ARGV[8] ~= '' and not listed(ARGV[8], key)
end
local function isolated()
  local others = tonumber(ARGV[6])
  if rec.strikes < tonumber(ARGV[7]) or others == 0 then return false end
  local since = tonumber(redis.call('HGET', k.push, 'waiting_since') or '')
  return others > 1 or not since or t - since < tonumber(ARGV[10])
end

local taken, limit, cost = tonumber(ARGV[11]), tonumber(ARGV[12]), math.max(rec.cost, tonumber(ARGV[13]))
local lacks = taken + cost - limit
local function since(field)
  return t - (tonumber(redis.call('HGET', k.push, field) or '') or t)
end
local largest -- worker that stays, once it is known
-- larger says whether a push that is larger than this worker is to wait for one that it
-- fits in. That one may be full for ever, so that what has left its room goes on at once.
local function larger()
  if cost <= limit or rec.started ~= '' and not held or since('waiting_since') >= tonumber(ARGV[19]) then return false end
  largest = largest or fleet(KEYS[11], KEYS[12], k.active, sealed_with(redis.call('GET', k.secret)), 1, t).largest
  return largest >= cost
end
-- What is larger than every worker fits where nothing is.
local function too_much()
  return ARGV[15] ~= '1' and limit > 0 and lacks > 0 and (taken > 0 or larger())
end
-- One worker keeps its cores for a push that does not fit: the one that lacks least of
-- those that were asked. Pushes there may never end, so all workers stop keeping for a
-- while now and then, each time after twice as long.
local function no_capacity()
  if larger() then return {'no_capacity'} end
  local age, keeps = since(rec.started == '' and 'created_at' or 'waiting_since'), tonumber(ARGV[17])
  while age >= 2 * keeps do keeps = 2 * keeps end
  local gives_way = age >= keeps and age < keeps + tonumber(ARGV[18])
  if gives_way or rec.started == '' and age < tonumber(ARGV[16]) then return {'no_capacity'} end
  local till, lack, keeper = string.match(rec.kept, '^(%d+) (%d+) (.*)$')
  if keeper and keeper ~= worker and tonumber(till) > t and tonumber(lack) <= lacks then return {'no_capacity'} end
  redis.call('HSET', k.push, 'kept', int(t + lease) .. ' ' .. int(lacks) .. ' ' .. worker)
  return {'kept'}
end

if held and rec.desired ~= 'stop' and rec.epoch + 1 == epoch then
  if rec.announced ~= epoch then return {'held'} end
  if foreign() then return {'no_key'} end
  if isolated() then return {'isolated'} end
  if too_much() then return no_capacity() end
  return given('handover')
end

if rec.epoch == epoch and rec.worker == worker and rec.state == 'starting' then
  local claimed = tonumber(redis.call('HGET', k.push, 'claimed_at') or '0')
  if until_ms == claimed + lease and t <= until_ms then return given('ok') end
end
if rec.worker ~= '' or not may(rec.state, 'starting') then return {'held'} end
if foreign() then
  waits(k, rec, ARGV[9], t)
  return {'no_key'}
end
if isolated() then return {'isolated'} end
if too_much() then
  waits(k, rec, ARGV[14], t)
  return no_capacity()
end

hold(k, rec, epoch, worker)
redis.call('HSET', k.push, 'claimed_at', int(t))
redis.call('ZADD', k.live, int(t + lease), rec.id)
enter(k, rec, 'starting', '', t)
return given('ok')
