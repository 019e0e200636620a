-- feed reads the feed from an entry on, that one too.
--
-- KEYS 1 feed
-- ARGV 1 id of the entry, 2 how many at most
-- Result {run of Redis ('' when it may not be asked), entries as of XRANGE}
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
return {run, redis.call('XRANGE', FEED, ARGV[1], '+', 'COUNT', ARGV[2])}
