-- damaged ends a push whose record cannot be read, once nobody holds it: as
-- failed, or as stopped when it was to stop. What cannot be read goes.
--
-- KEYS 1–10 as in lib.lua
-- ARGV 1 id, 2 retention ms, 3 lease end ms as the caller saw it, 4 failure as
--      JSON, then the fields that cannot be read
-- Result {'ok', state, '0'} · {'gone'} · {'ended'} · {'held'}: the lease has
--      changed, or is not over
-- A call repeated (its reply was lost) answers 'held': there is no lease.
local k = keyset()
local t = now()
local lease_end = tonumber(redis.call('ZSCORE', k.live, ARGV[1]) or '-1')
if lease_end ~= tonumber(ARGV[3]) or lease_end > t then return {'held'} end

-- clear takes away what is not of the type that it has to be.
local function clear(key, want)
  local is = redis.call('TYPE', key).ok
  if is ~= want and is ~= 'none' then redis.call('DEL', key) end
  return is == 'none'
end
clear(k.events, 'stream')
clear(k.user, 'string')
if clear(k.push, 'hash') then
  redis.call('ZREM', k.live, ARGV[1])
  return {'gone'}
end

local had = load(k.push)
if had and TERMINAL[had.state] then
  redis.call('ZREM', k.live, ARGV[1])
  return {'ended'}
end
local desired = redis.call('HGET', k.push, 'desired')
local epoch = tonumber(redis.call('HGET', k.push, 'epoch') or '') or 0
for i = 5, #ARGV do redis.call('HDEL', k.push, ARGV[i]) end
redis.call('HSET', k.push, 'id', ARGV[1], 'desired', desired == 'stop' and 'stop' or 'run')
local state, failure = 'failed', ARGV[4]
if desired == 'stop' then state, failure = 'stopped', '' end
finish(k, {id = ARGV[1], epoch = epoch}, state, failure, t)
return {'ok', state, '0'}
