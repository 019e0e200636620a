-- claims is claim for several attempts of one worker: act(KEYS, ARGV) is that script.
-- Each sees what those before it were given, as if they had come one after the other.
--
-- KEYS the first twelve of each claim, then the feed
-- ARGV 1 how many claims, then the ARGV of each
-- Result an array of what each claim answers, {'failed', why} where it could not
local n = tonumber(ARGV[1])
local keys, args = (#KEYS - 1) / n, (#ARGV - 1) / n

local function part(list, first, count)
  local p = {}
  for i = 1, count do p[i] = list[first + i] end
  return p
end
local function number(answer, field)
  for i = 3, #answer - 1, 2 do
    if answer[i] == field then return tonumber(answer[i + 1]) or 0 end
  end
  return 0
end

local answers, given, cost, alone = {}, 0, 0, false
for i = 0, n - 1 do
  local k, a = part(KEYS, i * keys, keys), part(ARGV, 1 + i * args, args)
  k[#k + 1] = KEYS[#KEYS]
  a[6], a[11] = tonumber(a[6]) + given, tonumber(a[11]) + cost -- others, and what they cost
  -- What fails for one (its key holds something else) must not fail the others.
  local done, answer = true, {'isolated'}
  if not alone then done, answer = pcall(act, k, a) end
  if not done then answer = {'failed', type(answer) == 'table' and answer.err or tostring(answer)} end
  local new = a[15] ~= '1' -- what is prepared is among the others already
  if new and (answer[1] == 'ok' or answer[1] == 'handover') then
    given, cost = given + 1, cost + math.max(number(answer, 'cost'), tonumber(a[13]))
  end
  alone = alone or answer[1] == 'ok' and number(answer, 'strikes') >= tonumber(a[7])
  answers[i + 1] = answer
end
return answers
