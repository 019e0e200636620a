-- fleet lists the workers that have renewed within their lease.
--
-- KEYS 1 workers, 2 fleet, 3 active
-- ARGV 1 id of the key of a push ('' for any)
-- Result {'ok', why no worker would take one more such push ('' when one
--      would), worker, its report as JSON, …}
local f = fleet(KEYS[1], KEYS[2], KEYS[3], ARGV[1], 1, now())
local result = {'ok', f.lack}
for name, report in pairs(f.reports) do
  result[#result + 1] = name
  result[#result + 1] = report
end
return result
