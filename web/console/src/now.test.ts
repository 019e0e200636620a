import { expect, test, vi } from 'vitest'

vi.stubGlobal('document', { hidden: true })
vi.useFakeTimers({ now: Date.parse('2026-11-22T10:00:00Z') })
const { heed, serverTime } = await import('./now')

test.each([
  ['a clock that is minutes away is set right', 'Sun, 22 Nov 2026 10:10:00 GMT', 600_000],
  ['one that is a second away is left alone', 'Sun, 22 Nov 2026 09:59:59 GMT', 0],
  ['one that is behind again is set back', 'Sun, 22 Nov 2026 09:50:00 GMT', -600_000],
  ['an answer without a time changes nothing', null, -600_000],
])('%s', (_, date, apart) => {
  heed(date)
  expect(serverTime() - Date.now()).toBe(apart)
})
