-- expired lists pushes whose lease or grace is over, longest first.
--
-- KEYS 1 live, 2 queued
-- ARGV 1 the longest ms that a lease or a grace can have left, 2 what one that has
--      more left gets instead, 3 most of live, 4 most of queued
-- Result {run id of the server, now ms, id, lease end ms, …}: first those of live
-- A clock set back (another server's, after a failover) would keep the leases
-- of dead workers alive until it has caught up; they are cut.
local t = now()
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local result = {run, int(t)}
for i = 1, 2 do
  local key, most = KEYS[i], ARGV[i + 2]
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. int(t + tonumber(ARGV[1])), '+inf', 'LIMIT', 0, most)) do
    redis.call('ZADD', key, int(t + tonumber(ARGV[2])), id)
  end
  for _, v in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', int(t), 'WITHSCORES', 'LIMIT', 0, most)) do
    result[#result + 1] = v
  end
end
return result
