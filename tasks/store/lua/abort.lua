-- abort ends a push that could not be enqueued. Should a worker have got it
-- all the same, its next renew answers lost. The idempotency key is given
-- free, so that the client may try again.
--
-- KEYS 1–10 as in lib.lua, 11 idempotency
-- ARGV 1 id, 2 retention ms, 3 failure as JSON
-- Result {'gone'} · {'ok'}; a push that has ended or is stopping stays as it is
local k = keyset()
local rec = load(k.push)
if not rec then return {'gone'} end
if may(rec.state, 'failed') then
  finish(k, rec, 'failed', ARGV[3], now())
  local seen = redis.call('GET', KEYS[11])
  if seen and string.match(seen, ' (.*)$') == rec.id then redis.call('DEL', KEYS[11]) end
end
return {'ok'}
