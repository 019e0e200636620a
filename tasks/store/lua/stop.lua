-- stop makes desired=stop durable. A push nobody holds has ended with it, one
-- that is held is stopping until its worker or the sweeper ends it.
--
-- KEYS 1–10 as in lib.lua
-- ARGV 1 id, 2 retention ms, 3 channel that tells workers at once
-- Result {'gone'} · {'ok', field, value, …}
local k = keyset()
local rec = load(k.push)
if not rec then return {'gone'} end
if not TERMINAL[rec.state] then
  local t = now()
  even_if_full(k)
  redis.call('HSET', k.push, 'desired', 'stop')
  if rec.worker == '' and may(rec.state, 'stopped') then
    finish(k, rec, 'stopped', '', t)
  else
    if may(rec.state, 'stopping') then enter(k, rec, 'stopping', '', t) end
    -- Only the fast path: an ACL may forbid it, a worker may not hear it.
    redis.pcall('PUBLISH', ARGV[3], rec.id)
  end
end
local result = redis.call('HGETALL', k.push)
table.insert(result, 1, 'ok')
return result
