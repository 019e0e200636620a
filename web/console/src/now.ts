// The time, for what says "since" and "in": once a second, while somebody looks. All that is told has the server's time, so
// this is that time as far as its answers tell it: a browser's clock may be minutes away.
import { signal } from '@preact/signals'

/** near is how far apart clocks count as one, in ms: an answer tells whole seconds, and takes its time. */
const near = 3000

let ahead = 0

/** heed takes the Date of an answer. */
export function heed(date: string | null) {
  const apart = Date.parse(date ?? '') - Date.now()
  if (!Number.isNaN(apart)) ahead = Math.abs(apart) > near ? apart : 0
}

/** serverTime is in ms. */
export const serverTime = () => Date.now() + ahead

export const now = signal(serverTime())

setInterval(() => {
  if (!document.hidden) now.value = serverTime()
}, 1000)
