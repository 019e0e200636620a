-- renew extends the leases of one worker and writes what has changed.
--
-- KEYS 1 live, then for each push its record and its events
-- ARGV 1 lease ms, then for each push a JSON object: e epoch, w worker,
--      s state, t started_at ms or '', f array of fields and values,
--      v array of events as attempt_events() takes them
-- Result an integer for each push: 0 kept, 1 stop, 2 lost, 3 gone
local KEPT, STOP, LOST, GONE = 0, 1, 2, 3
local RUNNING = {starting = true, publishing = true, reconnecting = true}
local t = now()
local lease = tonumber(ARGV[1])

local function renew(k, a)
  local rec = load(k.push)
  if not rec then return GONE end
  if not owns(rec, a.e, a.w) then return LOST end
  local repaired = rec.epoch < a.e or rec.worker == ''
  if repaired then
    rec.epoch = a.e
    redis.call('HSET', k.push, 'epoch', int(a.e), 'worker', a.w)
  end
  set_fields(k.push, a.f)
  if a.t ~= '' then redis.call('HSETNX', k.push, 'started_at', a.t) end
  redis.call('ZADD', KEYS[1], int(t + lease), rec.id)
  local told = attempt_events(k, rec, a.e, a.v)
  if rec.desired == 'stop' then return STOP end
  local legal = may(rec.state, a.s) or (repaired and reach(rec.state, a.s))
  if a.s ~= rec.state and RUNNING[a.s] and legal then
    redis.call('HSET', k.push, 'state', a.s)
    if told ~= a.s then state_event(k, a.s, rec.epoch, '', t) end
  end
  return KEPT
end

local verdicts = {}
for i = 2, #ARGV do
  local at = (i - 1) * 2
  verdicts[i - 1] = renew({push = KEYS[at], events = KEYS[at + 1]}, cjson.decode(ARGV[i]))
end
return verdicts
