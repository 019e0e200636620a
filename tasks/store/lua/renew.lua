-- renew says that a worker lives, extends its leases and writes what has
-- changed.
--
-- KEYS 1 live, 2 workers, 3 fleet, then for each push its record
-- ARGV 1 lease ms, 2 worker, 3 number of the renew, rising with every one this
--      worker sends, 4 what it tells of itself as JSON, then for each push a
--      JSON object: e epoch, w worker unless it is ARGV 2, s state, t started_at ms or '', d whether it has settled, o whether it is
--      over, f array of fields and values, v array of events as
--      attempt_events() takes them, or none, m array of samples as sample() does, or
--      none
-- Result an integer for each push: 0 kept, 1 stop, 2 lost, 3 gone, 4 late, 5 kept and
--      somebody looks at it (look.lua)
-- A renew that arrives after a later one of the same worker (Redis stood
-- still, the worker gave up waiting and sent the next; or two were under way
-- at once) changes nothing and answers late, even if the push is to stop: what
-- it carried is not written, and the next one tells. One that is over takes a
-- strike back and changes nothing else.
local KEPT, STOP, LOST, GONE, LATE, WATCHED = 0, 1, 2, 3, 4, 5
local RUNNING = {starting = true, publishing = true, reconnecting = true}
local t = now()
local looks = string.match(KEYS[1], '^(.*:)live$') .. 'preview-wanted' -- in the slot of live
local anybody = redis.call('EXISTS', looks) == 1
-- looked_at says whether somebody looks. Pictures are worth no lease: what cannot be read counts as nobody.
local function looked_at(id)
  return anybody and (tonumber(redis.pcall('ZSCORE', looks, id) or '') or 0) > t
end
local lease, seq = tonumber(ARGV[1]), tonumber(ARGV[3])
local lease_end, leases = int(t + lease), {}

-- write puts down what the attempt tells of itself, state excepted, which it is
-- to be in; it returns the last state among its events.
local function write(k, rec, a, state)
  local f = a.f
  f[#f + 1] = 'renew_seq'
  f[#f + 1] = ARGV[3]
  if a.t ~= '' and rec.started == '' then
    f[#f + 1] = 'started_at'
    f[#f + 1] = a.t
  end
  set_fields(k.push, f)
  leases[#leases + 1] = lease_end
  leases[#leases + 1] = rec.id
  if a.d then settle(k, rec) end
  if a.m then sample(k, a.m) end
  return a.v and attempt_events(k, rec, a.e, a.v, state) or ''
end

local function renew(k, a)
  local rec = load(k.push)
  if not rec then return GONE end
  if a.o or not owns(rec, a.e, a.w) then
    unstrike(k, rec, a.e) -- it lives, so it was only cut off
    return LOST
  end
  local verdict = rec.desired == 'stop' and STOP or KEPT
  local repaired = rec.epoch < a.e or rec.worker == ''
  if repaired then
    hold(k, rec, a.e, a.w)
  elseif seq < rec.renew_seq then
    return LATE
  end
  local legal = may(rec.state, a.s) or (repaired and reach(rec.state, a.s))
  local state = verdict == KEPT and RUNNING[a.s] and legal and a.s or rec.state
  local told = write(k, rec, a, state)
  if verdict == STOP then return STOP end
  if state ~= rec.state then
    redis.call('HSET', k.push, 'state', state)
    if told ~= state then
      state_event(k, state, rec.epoch, '', t)
      if rec.webhooks ~= '' then tell_reported(k, a.e, 0, {type = 'state', state = state, at = int(t)}, state) end
    end
  end
  if a.t ~= '' then tell_progress(k, rec, t) end
  if looked_at(rec.id) then return WATCHED end
  return KEPT
end

-- A clock set back (another server's, after a failover) must not leave workers
-- alive for ever: an end later than a renew could have written is not true.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(t))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. int(t + 2 * math.max(lease, 10000)), '+inf')
redis.call('ZADD', KEYS[2], int(t + lease), ARGV[2])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[4])
if redis.call('HLEN', KEYS[3]) > redis.call('ZCARD', KEYS[2]) then
  for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do
    if not redis.call('ZSCORE', KEYS[2], name) then redis.call('HDEL', KEYS[3], name) end
  end
end

local verdicts = {}
for i = 5, #ARGV do
  local a = cjson.decode(ARGV[i])
  a.w = a.w or ARGV[2]
  -- What fails for one (its key holds something else) must not fail the others.
  local ok, verdict = pcall(renew, {push = KEYS[i - 1]}, a)
  verdicts[i - 4] = ok and verdict or GONE
end
if #leases > 0 then redis.call('ZADD', KEYS[1], unpack(leases)) end
return verdicts
