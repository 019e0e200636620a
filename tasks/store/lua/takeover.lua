-- takeover puts a push whose lease is over into the queue under its next
-- attempt, or ends it when it was to stop. A queued push stays queued: its
-- task was lost, and the new attempt gets a new one. One that was held gets a
-- strike if its worker has vanished too and the attempt had not settled; with
-- the last strike it has failed.
--
-- KEYS 1–10 as in lib.lua, 11 workers
-- ARGV 1 id, 2 retention ms, 3 grace ms, 4 lease end ms as the caller saw it,
--      5 token of this call, 6 strikes with which it fails, 7 that failure as
--      JSON, 8 grace ms of a push whose next attempt was announced: who prepared
--      it claims at once, or died with the owner, 9 the failure as JSON of a push
--      whose record cannot be read, '' for any other
-- Result {'ok', state, next epoch or '0'} · {'gone'} · {'ended'} · {'held'}:
--      the lease has changed, or is not over
-- A repeated call with the same token (its reply was lost) answers the same
-- until somebody claims.
local k = keyset()
local t = now()
local rec = load(k.push)
if rec and redis.call('HGET', k.push, 'taken_by') == ARGV[5] then
  if rec.state == 'queued' then return {'ok', 'queued', int(rec.epoch)} end
  if TERMINAL[rec.state] then return {'ok', rec.state, '0'} end
end
local lease_end = due(k.live, k.push, ARGV[1])
if lease_end ~= tonumber(ARGV[4]) or lease_end > t then return {'held'} end
if not rec or TERMINAL[rec.state] then
  redis.call('ZREM', k.live, ARGV[1])
  redis.call('ZREM', queued_key(k.push), ARGV[1])
  return {rec and 'ended' or 'gone'}
end

local function ended(state, failure)
  even_if_full(k)
  redis.call('HSET', k.push, 'taken_by', ARGV[5])
  finish(k, rec, state, failure, t)
  return {'ok', state, '0'}
end

if rec.desired == 'stop' then
  if not reach(rec.state, 'stopped') then return {'held'} end
  return ended('stopped', '')
end
if ARGV[9] ~= '' then return ended('failed', ARGV[9]) end
if rec.state ~= 'queued' and not may(rec.state, 'queued') then return {'held'} end

local held, message = rec.state ~= 'queued', 'its task was lost'
if held then
  even_if_full(k) -- the queue has no room for a task that was lost
  message = 'its worker is gone'
  local alive = (tonumber(redis.call('ZSCORE', KEYS[11], rec.worker)) or 0) > t
  if not alive and rec.settled ~= rec.epoch then
    strike(k, rec)
    message = 'its worker vanished, strike ' .. int(rec.strikes) .. ' of ' .. ARGV[6]
    if rec.strikes >= tonumber(ARGV[6]) then return ended('failed', ARGV[7]) end
  end
end
local grace = tonumber(rec.announced == rec.epoch + 1 and ARGV[8] or ARGV[3])
redis.call('HSET', k.push, 'last_epoch', int(rec.epoch), 'last_worker', '', 'taken_by', ARGV[5])
requeue(k, rec, grace, message, t)
if held then tell_interrupted(k, rec, 'takeover', t) end
return {'ok', 'queued', int(rec.epoch)}
