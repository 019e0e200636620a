-- speed keeps what a core was measured to do, if it was never measured to do more.
--
-- KEYS 1 speed of such machines
-- ARGV 1 what was measured, 2 ms that it is kept
-- Result what is kept
local most = math.max(tonumber(redis.call('GET', KEYS[1]) or '') or 0, tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', most), 'PX', ARGV[2])
return string.format('%.0f', most)
