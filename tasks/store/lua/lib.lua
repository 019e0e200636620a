-- Shared by the scripts below; Go puts it before each of them, after the
-- tables MOVES (MOVES[from][to] == true) and TERMINAL (TERMINAL[state] ==
-- true), which it writes from tasks.State, and MAX_SAMPLES. Time is Redis TIME in Unix
-- milliseconds throughout.
--
-- The last of KEYS is the feed, the stream of all events.
-- Scripts that may end a push have the same first ten KEYS, in the order of
-- keyset(), and ARGV[1] id, ARGV[2] retention in ms.

local MAX_EVENTS = 1000
local FEED, FEED_MS = KEYS[#KEYS], 600000
local MAX_WEBHOOKS = 100
local OUTBOX_MS = 3 * 86400000 -- that an outbox is kept which nobody empties
local SAMPLES_MS = 86400000 -- that samples are kept after the last one, or after the end: they are most of what a push leaves
local PROGRESS_MS = 10000 -- between two webhooks push.progress

local function int(n)
  return string.format('%.0f', n)
end

local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- listed says whether a word is one of a list, separated by spaces.
local function listed(list, word)
  return word ~= nil and string.find(' ' .. list .. ' ', ' ' .. word .. ' ', 1, true) ~= nil
end

local function keyset()
  return {
    push = KEYS[1], events = KEYS[2], live = KEYS[3], secret = KEYS[4], user = KEYS[5],
    active = KEYS[6], ended = KEYS[7],
    completed = KEYS[8], failed = KEYS[9], stopped = KEYS[10],
  }
end

-- even_if_full goes before the first write of what ends a push or gives it back. A full
-- Redis refuses a script's first write if it may take memory, and none after it.
local function even_if_full(k)
  redis.call('ZREM', k.live, '')
end

-- load returns the fields that decisions rest on, or nil without a record. What
-- is damaged is read as what it may have been.
local function load(push)
  local v = redis.call('HMGET', push, 'id', 'state', 'desired', 'epoch', 'worker',
    'last_epoch', 'last_worker', 'event_epoch', 'event_seq',
    'strikes', 'struck', 'settled_epoch', 'renew_seq', 'waiting', 'handover', 'webhooks', 'started_at', 'cost', 'kept')
  if not v[1] and not v[2] and redis.call('EXISTS', push) == 0 then return nil end
  local state, desired = v[2], v[3]
  if not state or not MOVES[state] then state = (v[5] or '') == '' and 'queued' or 'starting' end
  if desired ~= 'stop' then desired = state == 'stopping' and 'stop' or 'run' end
  return {
    id = v[1] or string.match(push, '([^:]*)$'), state = state, desired = desired, epoch = tonumber(v[4]) or 0, worker = v[5] or '',
    last_epoch = tonumber(v[6]) or 0, last_worker = v[7] or '',
    event_epoch = tonumber(v[8]) or 0, event_seq = tonumber(v[9]) or 0,
    strikes = tonumber(v[10]) or 0, struck = v[11] or '', settled = tonumber(v[12]) or 0,
    renew_seq = tonumber(v[13]) or 0, waiting = v[14] or '',
    announced = tonumber(string.match(v[15] or '', '^%d+')) or 0,
    webhooks = v[16] or '', started = v[17] or '', cost = tonumber(v[18]) or 0,
    kept = v[19] or '',
  }
end

-- may says whether the table has the move.
local function may(from, to)
  return MOVES[from] ~= nil and MOVES[from][to] == true
end

-- reach says whether `to` is one move away, or two. The second move is for
-- records older than their running attempt (Redis lost its last writes) and
-- for an attempt that ends as stopped on its own.
local function reach(from, to)
  if may(from, to) then return true end
  for _, via in ipairs({'starting', 'stopping', 'queued'}) do
    if may(from, via) and may(via, to) then return true end
  end
  return false
end

-- owns says whether an attempt may write: it is the record's, or a later one,
-- or the record has forgotten that its attempt was claimed.
local function owns(rec, epoch, worker)
  if TERMINAL[rec.state] then return false end
  if rec.epoch ~= epoch then return rec.epoch < epoch end
  return rec.worker == worker or rec.worker == ''
end

-- feed_floor is the oldest entry that the feed needs: the last one of those older
-- than FEED_MS, where who has read all since then may still stand. The first
-- entry is asked for before: where none is that old, Redis would look at all.
local function feed_floor()
  local bound = now() - FEED_MS
  local first = redis.call('XRANGE', FEED, '-', '+', 'COUNT', 1)[1]
  if not first or tonumber(string.match(first[1], '^%d+')) > bound then return '0' end
  return redis.call('XREVRANGE', FEED, int(bound), '-', 'COUNT', 1)[1][1]
end

-- beside returns the key of another kind of a push's. It follows from the record's
-- name, so it is in its slot.
local function beside(push, kind)
  local prefix, id = string.match(push, '^(.*:)push:([^:]*)$')
  return prefix .. kind .. ':' .. id
end

-- queued_key is where pushes are that wait, as those are in live that a worker holds.
local function queued_key(push)
  return string.match(push, '^(.*:)push:[^:]*$') .. 'queued'
end

-- due returns when a push is to be looked after: the end of its lease, or of its
-- grace; -1: never.
local function due(live, push, id)
  return tonumber(redis.call('ZSCORE', live, id) or redis.call('ZSCORE', queued_key(push), id) or '-1')
end

-- event writes into a push's history and the feed. The history is a list: a
-- stream of a few entries takes 4 kB.
local function event(k, fields)
  local history = k.events or beside(k.push, 'history')
  redis.call('RPUSH', history, cjson.encode(fields))
  redis.call('LTRIM', history, -MAX_EVENTS, -1)
  redis.call('XADD', FEED, 'MINID', '~', feed_floor(), '*', 'push', string.match(k.push, '([^:]*)$'), unpack(fields))
end

-- sample writes how a push went, each sample once. list: texts that begin with
-- the time and the epoch. Charts are worth no lease: what cannot be written is left
-- out.
local function sample(k, list)
  local key = beside(k.push, 'series')
  for _, text in ipairs(list) do
    local last = redis.pcall('LINDEX', key, -1)
    local at, epoch = string.match(text, '^(%d+) (%d+)')
    local last_at, last_epoch = string.match(type(last) == 'string' and last or '', '^(%d+) (%d+)')
    if last_epoch ~= epoch or tonumber(last_at) < tonumber(at) then
      redis.pcall('RPUSH', key, text)
      redis.pcall('LTRIM', key, -MAX_SAMPLES, -1)
    end
  end
  if #list > 0 then redis.pcall('PEXPIRE', key, SAMPLES_MS) end
end

local function state_event(k, state, epoch, message, t, code)
  local fields = {'at', int(t), 'type', 'state', 'state', state, 'epoch', int(epoch)}
  for name, value in pairs({message = message, code = code or ''}) do
    if value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  event(k, fields)
end

local function warning_event(k, epoch, code, message, t)
  event(k, {'at', int(t), 'type', 'warning', 'code', code, 'message', message, 'epoch', int(epoch)})
end

-- Webhooks. What a push's client is to be told goes into its outbox in the
-- script that changes the push, so that neither is there without the other. The
-- keys of an outbox follow from the record's name, so they are in its slot.
--
-- Of the record's fields belong to this: webhooks, the events that are wanted;
-- webhook_started, 1 once it was told; webhook_trouble, the epoch of the attempt
-- whose interruption was told; webhook_progress_at; webhooks_lost.

local function outbox_keys(push)
  local prefix, id = string.match(push, '^(.*:)push:([^:]*)$')
  return {id = id, due = prefix .. 'outboxes', list = prefix .. 'outbox:' .. id, delivery = prefix .. 'delivery:' .. id}
end

-- webhook returns an event as an outbox holds it, with the record as it is;
-- state is the push's, where the record does not have it yet.
local function webhook(push, kind, id, at, state)
  local fields = redis.call('HGETALL', push)
  for i = 1, #fields - 1, 2 do
    if fields[i] == 'state' and state then fields[i + 1] = state end
  end
  return cjson.encode({id = id, type = 'push.' .. kind, at = at, fields = fields})
end

-- tell puts an event into the outbox of a push whose client wants it. name is
-- the event's own: one that is told twice is known by it.
local function tell(k, kind, name, at, state)
  if not listed(redis.call('HGET', k.push, 'webhooks') or '', kind) then return end
  local box = outbox_keys(k.push)
  redis.call('RPUSH', box.list, webhook(k.push, kind, box.id .. '.' .. name, at, state))
  while redis.call('LLEN', box.list) > MAX_WEBHOOKS do
    redis.call('LPOP', box.list)
    redis.call('HINCRBY', k.push, 'webhooks_lost', 1)
  end
  redis.call('PEXPIRE', box.list, OUTBOX_MS)
  redis.call('ZADD', box.due, 'NX', int(now()), box.id)
end

-- taken_out takes an event out of an outbox and returns it, nil if it is not the
-- oldest (any more).
local function taken_out(list, delivery, id)
  local function is(event) return event and cjson.decode(event).id == id end
  local event = redis.call('LINDEX', list, 0)
  if is(event) then return redis.call('LPOP', list) end
  event = redis.call('HGET', delivery, 'progress')
  if is(event) then redis.call('HDEL', delivery, 'progress') end
  return nil
end

-- tell_progress puts how far a push is beside its outbox, where it takes the
-- place of the one before.
local function tell_progress(k, rec, t)
  if not listed(rec.webhooks, 'progress') then return end
  local last = tonumber(redis.call('HGET', k.push, 'webhook_progress_at') or '') or 0
  if t - last < PROGRESS_MS and t >= last then return end
  redis.call('HSET', k.push, 'webhook_progress_at', int(t))
  local box = outbox_keys(k.push)
  redis.call('HSET', box.delivery, 'progress', webhook(k.push, 'progress', box.id .. '.progress.' .. int(t), int(t)))
  redis.call('PEXPIRE', box.delivery, OUTBOX_MS)
  redis.call('ZADD', box.due, 'NX', int(t), box.id)
end

-- interrupted says whether the room lacks a push in this state that it had.
local INTERRUPTED = {queued = true, starting = true, reconnecting = true}
local function interrupted(push, state)
  return INTERRUPTED[state] ~= nil and redis.call('HEXISTS', push, 'webhook_started') == 1
end

-- tell_reported tells what follows from an event of an attempt, whose state was
-- `state` after it. An interruption is told once, until its trouble is over or a
-- later attempt publishes; a trouble of a push that publishes on is none.
local function tell_reported(k, epoch, seq, e, state)
  local name = int(epoch) .. '.' .. (seq > 0 and int(seq) or e.at)
  local troubled = tonumber(redis.call('HGET', k.push, 'webhook_trouble') or '')
  if e.type == 'trouble' or e.state == 'reconnecting' then
    if not troubled and not interrupted(k.push, state) then return end
    redis.call('HSET', k.push, 'webhook_trouble', int(epoch))
    if not troubled then tell(k, 'reconnecting', name, e.at, state) end
    return
  end
  local publishes = e.type == 'state' and e.state == 'publishing'
  if publishes and redis.call('HSETNX', k.push, 'webhook_started', '1') == 1 then
    tell(k, 'started', 'started', e.at, state)
  end
  if troubled and (e.type == 'recovered' or (publishes and troubled < epoch)) then
    redis.call('HDEL', k.push, 'webhook_trouble')
    tell(k, 'recovered', name, e.at, state)
  end
end

-- tell_interrupted tells that a push which was in its room has no worker.
local function tell_interrupted(k, rec, why, t)
  if rec.webhooks == '' or not interrupted(k.push, rec.state) then return end
  if redis.call('HSETNX', k.push, 'webhook_trouble', int(rec.epoch - 1)) == 1 then
    tell(k, 'reconnecting', int(rec.epoch) .. '.' .. why, int(t))
  end
end

-- waits notes why a queued push waits. A new reason is a trouble in its history;
-- it has waited since the first.
local function waits(k, rec, why, t)
  if rec.waiting == why then return end
  redis.call('HSET', k.push, 'waiting', why)
  redis.call('HSETNX', k.push, 'waiting_since', int(t))
  event(k, {'at', int(t), 'type', 'trouble', 'side', WAITING[why].side, 'code', why,
    'message', WAITING[why].message, 'epoch', int(rec.epoch)})
  tell_interrupted(k, rec, why, t)
end

-- waited ends the wait of a push that somebody has taken.
local function waited(k, rec, t)
  if rec.waiting == '' then return end
  local since = tonumber(redis.call('HGET', k.push, 'waiting_since') or '') or t
  local why = WAITING[rec.waiting]
  redis.call('HDEL', k.push, 'waiting', 'waiting_since')
  event(k, {'at', int(t), 'type', 'recovered', 'side', why and why.side or 'queue', 'code', rec.waiting,
    'message', 'a worker has taken it after ' .. string.format('%.1f', (t - since) / 1000) .. 's', 'epoch', int(rec.epoch)})
  rec.waiting = ''
end

-- sealed_with returns the id of the key that an envelope names,
-- v1.<key>.<nonce>.<ciphertext>; '' for what is no envelope.
local function sealed_with(envelope)
  return string.match(envelope or '', '^[^.]*%.([^.]*)%.') or ''
end

-- fleet looks at all workers for more pushes sealed with key ('' for any).
-- reports: what they tell of themselves, by name. lack: why none would take
-- these, '' when one would. refuses: the reasons to take none that some worker
-- has. free: slots that are not taken, of those who take pushes. fits: the
-- largest cost that one of those has cores for; empty: one of them runs nothing. largest:
-- the largest cost that a whole worker that stays has cores for.
--
-- What a worker does not tell is taken for the best: one of another version may
-- tell less, or nothing.
--
-- What is taken is told once a second. So lack reckons with what is true at
-- once: every push that has not ended has a slot or waits for one, but workers
-- that take none keep only those that they have.
local function fleet(workers, reports, active, key, more, t)
  local f = {reports = {}, refuses = {}, free = 0, fits = 0, empty = false, largest = 0}
  local room, present, keyed, taking = -redis.call('ZCARD', active), false, false, false
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', workers, '(' .. int(t), '+inf')) do
    local text = redis.call('HGET', reports, name) or ''
    local ok, r = pcall(cjson.decode, text)
    if not ok or type(r) ~= 'table' then r = {} end
    local state, slots, used = r.state, tonumber(r.slots) or math.huge, tonumber(r.used) or 0
    if type(state) ~= 'string' then state = 'ready' end
    f.reports[name] = text
    local stays, opens = state ~= 'draining', key == '' or type(r.keys) ~= 'table'
    for _, id in ipairs(opens and {} or r.keys) do opens = opens or id == key end
    local c = type(r.capacity) == 'table' and r.capacity or {}
    local full, limit, taken = c.full == true, tonumber(c.limit) or 0, tonumber(c.taken) or 0
    local takes = state == 'ready' and opens and not full
    present, keyed, taking = present or stays, keyed or stays and opens, taking or takes
    room = room + (takes and slots or used)
    if takes then
      f.free = f.free + slots - used
      f.fits = math.max(f.fits, limit <= 0 and math.huge or limit - taken)
      f.empty = f.empty or taken <= 0
    end
    if stays and opens then f.largest = math.max(f.largest, limit) end
    if state == 'ready' and opens and full then f.refuses.no_capacity = true end
    if not opens then f.refuses.no_key = true end
    if state == 'no_memory' then f.refuses.no_memory = true end
  end
  f.lack = ''
  if not present then f.lack = 'no_worker'
  elseif not keyed then f.lack = 'no_key'
  elseif taking then f.lack = room < more and 'no_free_slot' or ''
  elseif f.refuses.no_capacity then f.lack = 'no_capacity'
  elseif f.refuses.no_memory then f.lack = 'no_memory'
  else f.lack = 'no_free_slot' end
  return f
end

-- attempt_events appends what an attempt reports, each event once by (epoch,
-- seq), and returns the last state it told. list: {{seq, {field, value, …}}, …};
-- state: the push's with them, the record's unless it is given.
local function attempt_events(k, rec, epoch, list, state)
  local told = ''
  local last_epoch, last_seq = rec.event_epoch, rec.event_seq
  for _, e in ipairs(list) do
    local seq, fields = e[1], e[2]
    if seq == 0 or epoch > last_epoch or (epoch == last_epoch and seq > last_seq) then
      event(k, fields)
      if seq > 0 then last_epoch, last_seq = epoch, seq end
      local named = {}
      for i = 1, #fields - 1, 2 do named[fields[i]] = fields[i + 1] end
      told = named.state or told
      if rec.webhooks ~= '' then tell_reported(k, epoch, seq, named, told ~= '' and told or state or rec.state) end
    end
  end
  if last_epoch ~= rec.event_epoch or last_seq ~= rec.event_seq then
    redis.call('HSET', k.push, 'event_epoch', int(last_epoch), 'event_seq', int(last_seq))
  end
  return told
end

local function set_fields(push, fields)
  if #fields > 0 then redis.call('HSET', push, unpack(fields)) end
end

-- enter writes a state that is not terminal, with its event.
local function enter(k, rec, state, message, t)
  redis.call('HSET', k.push, 'state', state)
  state_event(k, state, rec.epoch, message, t)
  rec.state = state
end

-- hold makes an attempt the record's: epoch and worker are its own, and it is
-- known by no older renew than this one.
local function hold(k, rec, epoch, worker)
  rec.epoch, rec.worker, rec.renew_seq = epoch, worker, 0
  redis.call('HSET', k.push, 'epoch', int(epoch), 'worker', worker, 'renew_seq', '0')
  if rec.kept ~= '' then redis.call('HDEL', k.push, 'kept') end
  redis.call('ZREM', queued_key(k.push), rec.id)
  waited(k, rec, now())
end

-- strike notes that the worker of the present attempt vanished before the
-- attempt had settled. struck lists the epochs whose strike counts, so that
-- one can be taken back.
local function strike(k, rec)
  rec.strikes = rec.strikes + 1
  rec.struck = rec.struck .. (rec.struck == '' and '' or ',') .. int(rec.epoch)
  redis.call('HSET', k.push, 'strikes', int(rec.strikes), 'struck', rec.struck)
end

-- unstrike takes back the strike of an attempt, once.
local function unstrike(k, rec, epoch)
  local rest, found = {}, false
  for e in string.gmatch(rec.struck, '%d+') do
    if not found and tonumber(e) == epoch then found = true else rest[#rest + 1] = e end
  end
  if not found or TERMINAL[rec.state] then return end
  rec.strikes, rec.struck = math.max(rec.strikes - 1, 0), table.concat(rest, ',')
  redis.call('HSET', k.push, 'strikes', int(rec.strikes), 'struck', rec.struck)
end

-- settle clears the strikes of a push whose present attempt has published for
-- long enough.
local function settle(k, rec)
  if rec.settled == rec.epoch and rec.strikes == 0 then return end
  rec.strikes, rec.struck, rec.settled = 0, '', rec.epoch
  redis.call('HDEL', k.push, 'strikes', 'struck')
  redis.call('HSET', k.push, 'settled_epoch', int(rec.epoch))
end

-- requeue gives a push to whoever comes: the next attempt, with time until
-- somebody looks after it.
local function requeue(k, rec, grace, message, t)
  rec.epoch = rec.epoch + 1
  redis.call('HSET', k.push, 'epoch', int(rec.epoch), 'worker', '')
  redis.call('ZREM', k.live, rec.id)
  redis.call('ZADD', queued_key(k.push), int(t + grace), rec.id)
  enter(k, rec, 'queued', message, t)
  return rec.epoch
end

-- finish ends a push for good: no secret, no lease, no claim on the user, and
-- a record that expires.
local function finish(k, rec, state, failure, t)
  local retention = tonumber(ARGV[2])
  even_if_full(k)
  redis.call('HSET', k.push, 'state', state, 'worker', '', 'ended_at', int(t))
  if failure ~= '' then redis.call('HSET', k.push, 'failure', failure) end
  local why = failure ~= '' and cjson.decode(failure) or {}
  state_event(k, state, rec.epoch, why.message or '', t, why.code)
  redis.call('DEL', k.secret)
  redis.call('ZREM', k.live, rec.id)
  redis.call('ZREM', queued_key(k.push), rec.id)
  redis.call('ZREM', k.active, rec.id)
  redis.call('ZADD', k[state], 0, rec.id)
  if redis.call('GET', k.user) == rec.id then redis.call('DEL', k.user) end
  local v = redis.call('HMGET', k.push, 'sdk_app_id', 'room_id', 'user_id')
  redis.call('ZADD', k.ended, int(t + retention),
    cjson.encode({rec.id, state, v[1] or '', v[2] or '', v[3] or ''}))
  redis.call('HDEL', outbox_keys(k.push).delivery, 'progress') -- the end says more
  tell(k, state, state, int(t))
  redis.call('PEXPIRE', k.push, retention)
  redis.call('PEXPIRE', k.events, retention)
  redis.call('PEXPIRE', beside(k.push, 'series'), math.min(retention, SAMPLES_MS))
  rec.state = state
end
