import type { Trouble } from '../api'
import { duration } from '../format'
import { t } from '../i18n'
import { now } from '../now'

/** TroubleTimes says since when, how often tried and when next; it counts along. */
export function TroubleTimes({ trouble, last = false }: { trouble: Trouble; last?: boolean }) {
  const until = (at: string) => new Date(at).getTime() - now.value
  const parts = [t('forSoLong', { time: duration(now.value - new Date(trouble.since).getTime()) })]
  if (trouble.tries) parts.push(t('tries', { n: trouble.tries }))
  if (trouble.nextTryAt) {
    const left = until(trouble.nextTryAt)
    parts.push(left > 0 ? t('nextTry', { time: duration(left + 999) }) : t('nextTryNow'))
  }
  if (last && trouble.givesUpAt) parts.push(t('givesUp', { time: duration(until(trouble.givesUpAt)) }))
  return <span class="tabular-nums">{parts.join(' · ')}</span>
}
