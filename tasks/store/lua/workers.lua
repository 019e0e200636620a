-- workers counts the workers that have renewed within their lease.
--
-- KEYS 1 workers
-- Result an integer
return redis.call('ZCOUNT', KEYS[1], '(' .. int(now()), '+inf')
