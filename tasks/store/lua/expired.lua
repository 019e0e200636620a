-- expired lists pushes whose lease is over, longest first.
--
-- KEYS 1 live
-- ARGV 1 limit, 2 the longest ms that a lease or a grace can have left, 3 what
--      one that has more left gets instead, 4 how many of the longest expired
--      are left out
-- Result {run id of the server, now ms, id, lease end ms, …}
-- A clock set back (another server's, after a failover) would keep the leases
-- of dead workers alive until it has caught up; they are cut.
local t = now()
local far = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. int(t + tonumber(ARGV[2])), '+inf', 'LIMIT', 0, ARGV[1])
for _, id in ipairs(far) do
  redis.call('ZADD', KEYS[1], int(t + tonumber(ARGV[3])), id)
end
local result = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(t), 'WITHSCORES', 'LIMIT', ARGV[4], ARGV[1])
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
table.insert(result, 1, int(t))
table.insert(result, 1, run)
return result
