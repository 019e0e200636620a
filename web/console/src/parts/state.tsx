import type { Push, State } from '../api'
import { t } from '../i18n'
import { inTrouble } from '../store'
import { Icon, type IconName } from './icon'

/** looks are the icon and the colour of each state. */
export const looks: Record<State, { icon: IconName; colour: string }> = {
  queued: { icon: 'clock', colour: 'text-soft' },
  starting: { icon: 'dots', colour: 'text-accent' },
  publishing: { icon: 'play', colour: 'text-good' },
  reconnecting: { icon: 'retry', colour: 'text-warn' },
  stopping: { icon: 'square', colour: 'text-soft' },
  completed: { icon: 'check', colour: 'text-soft' },
  failed: { icon: 'cross', colour: 'text-bad' },
  stopped: { icon: 'square', colour: 'text-soft' },
}

/** StateBadge says a state by colour, icon and word; a push in trouble that goes on publishing says both. */
export function StateBadge({ push }: { push: Push }) {
  const look = looks[push.state]
  const trouble = inTrouble(push) && push.state === 'publishing'
  return (
    <span class={'flex items-center gap-1.5 font-medium whitespace-nowrap ' + (trouble ? 'text-warn' : look.colour)}>
      <Icon name={trouble ? 'warn' : look.icon} />
      {t(`state_${push.state}`)}
      {trouble && <span class="sr-only">, {t('state_trouble')}</span>}
    </span>
  )
}
