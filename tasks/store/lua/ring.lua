-- ring lists outboxes that are due, and gives whoever hears the bell a lease of
-- time for each. A bell that nobody has heard yet keeps its number, so that no
-- second task is made of it. An outbox that has expired is left.
--
-- KEYS 1 outboxes
-- ARGV 1 limit, 2 lease ms
-- Result {'ok', push, number, …}
local t = now()
local result = {'ok'}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(t), 'LIMIT', 0, ARGV[1])) do
  local prefix = string.match(KEYS[1], '^(.*:)[^:]*$')
  local delivery = prefix .. 'delivery:' .. id
  local v = redis.call('HMGET', delivery, 'rung', 'heard', 'progress')
  if not v[3] and redis.call('EXISTS', prefix .. 'outbox:' .. id) == 0 then
    redis.call('ZREM', KEYS[1], id)
  else
    local rung = tonumber(v[1] or '') or 0
    if rung == 0 or v[2] == v[1] then rung = redis.call('HINCRBY', delivery, 'rung', 1) end
    redis.call('PEXPIRE', delivery, OUTBOX_MS)
    redis.call('ZADD', KEYS[1], int(t + tonumber(ARGV[2])), id)
    result[#result + 1] = id
    result[#result + 1] = int(rung)
  end
end
return result
