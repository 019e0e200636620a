import type { HistoryEvent } from '../api'
import { t } from '../i18n'
import { Icon, type IconName } from './icon'
import { Said } from './said'
import { looks as states } from './state'
import { Time } from './time'

const others: Record<Exclude<HistoryEvent['type'], 'state'>, { icon: IconName; colour: string }> = {
  warning: { icon: 'warn', colour: 'text-warn' },
  trouble: { icon: 'warn', colour: 'text-warn' },
  recovered: { icon: 'check', colour: 'text-good' },
  plan: { icon: 'square', colour: 'text-soft' },
}

/** Timeline tells what happened, the latest first. */
export function Timeline({ events }: { events: HistoryEvent[] }) {
  if (events.length === 0) return <p class="text-soft">{t('timelineWait')}</p>
  return (
    <ol class="grid grid-cols-[auto_16px_minmax(0,1fr)] gap-x-3">
      {events.toReversed().map((e, i) => (
        <Line key={events.length - i} event={e} />
      ))}
    </ol>
  )
}

function Line({ event: e }: { event: HistoryEvent }) {
  const look = e.type === 'state' ? states[e.state ?? 'queued'] : others[e.type]
  const title = e.type === 'state' && e.state ? t(`state_${e.state}`) : t(`event_${e.type}`)
  const bare = e.type === 'plan' || e.type === 'recovered' // what its code says is over
  return (
    <li class="col-span-3 grid grid-cols-subgrid border-b border-line py-2 last:border-0">
      <span class="text-soft">
        <Time at={e.at} />
      </span>
      <Icon name={look.icon} class={'mt-0.5 ' + look.colour} />
      <div>
        <span class={'font-medium ' + (look.colour === 'text-soft' ? '' : look.colour)}>{title}</span>
        {e.attempt !== undefined && e.attempt > 1 && <span class="ml-2 text-xs text-soft">{t('attemptN', { n: e.attempt })}</span>}
        {(e.message || e.code) && (
          <>
            {' — '}
            <Said code={bare ? undefined : e.code} message={e.message} />
          </>
        )}
      </div>
    </li>
  )
}
