import { clock, utc } from '../format'
import { tag } from '../i18n'

/** Time is a local time with UTC in its title. */
export function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={utc(at)} class="tabular-nums whitespace-nowrap">
      {clock(at, tag())}
    </time>
  )
}
