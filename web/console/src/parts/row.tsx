// One push in the list. It draws itself anew when its own signal changes, and no other row does.
import type { Push } from '../api'
import { bitrate, duration, fps, size, sourceName } from '../format'
import { sentence, t } from '../i18n'
import { go } from '../router'
import { ended, inTrouble, type Row } from '../store'
import { StateBadge } from './state'
import { SureButton } from './stop'
import { TroubleTimes } from './trouble'

interface Props {
  row: Row
  index: number
  height: number
  here: boolean
  selected: boolean
  onSelect: (id: string) => void
  onStop: (id: string) => Promise<void>
}

export function PushRow({ row, index, height, here, selected, onSelect, onStop }: Props) {
  const p = row.push.value
  const trouble = inTrouble(p)
  const over = ended(p.state)
  const who = { room: p.roomId, user: p.userId }
  const open = (e: MouseEvent) => {
    if (!(e.target as Element).closest('a, button, input') && !getSelection()?.toString()) go('/pushes/' + row.id)
  }
  return (
    <div
      id={'row-' + row.id}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      class={
        'row cells absolute inset-x-0 cursor-pointer border-b border-line hover:bg-raised ' +
        (trouble ? 'trouble bg-warnbg ' : '') +
        (over ? 'text-soft ' : '') +
        (p.error ? 'error ' : '') +
        (selected ? 'bg-raised ' : '') +
        (here ? 'group-focus-visible:outline-2 group-focus-visible:-outline-offset-2 group-focus-visible:outline-accent' : '')
      }
      style={{ height: `${height}px`, transform: `translateY(${index * height}px)` }}
      onClick={open}
    >
      <span role="gridcell" class="check">
        {!over && p.desired === 'run' && (
          <input type="checkbox" class="block accent-accent" aria-label={t('select', who)} checked={selected} onChange={() => onSelect(row.id)} />
        )}
      </span>
      <span role="gridcell" class="state">
        <StateBadge push={p} />
      </span>
      <span role="gridcell" class="where">
        <a href={'/pushes/' + row.id} class="block truncate font-medium text-ink hover:underline" title={p.roomId}>
          {p.roomId}
        </a>
        <span class="block truncate text-soft" title={p.userId}>
          {p.userId}
        </span>
      </span>
      <Source push={p} trouble={trouble} />
      <span role="gridcell" class="far middle upper">
        <Far push={p} />
      </span>
      <Rates push={p} />
      <span role="gridcell" class="rate wide upper text-right tabular-nums">
        {p.attempt}
      </span>
      <span role="gridcell" class="rate wide upper truncate text-soft" title={p.worker}>
        {p.worker}
      </span>
      {trouble && <Why push={p} />}
      <span role="gridcell" class="act justify-self-end">
        {!over && p.desired === 'run' && <SureButton small label={t('stop')} sure={t('stopSure')} name={t('stopPush', who)} act={() => onStop(row.id)} />}
      </span>
    </div>
  )
}

function Source({ push: p, trouble }: { push: Push; trouble: boolean }) {
  const { host, name } = sourceName(p.videoSrc)
  return (
    <span role="gridcell" class="what upper" title={p.videoSrc}>
      <span class="block truncate">{name}</span>
      {!trouble && (
        <span class={'block truncate ' + (p.error ? 'text-bad' : 'text-soft max-sm:hidden')} title={p.error?.message}>
          {p.error ? sentence(p.error.code, p.error.message) : [host, video(p)].filter(Boolean).join(' · ')}
        </span>
      )}
    </span>
  )
}

function video(p: Push): string {
  const track = p.source?.tracks.find((tr) => tr.type === 'video')
  if (!track) return ''
  const action = p.plan?.video?.action
  return [track.codec, size(track.width, track.height), action && action !== 'copy' && t(`action_${action}`)].filter(Boolean).join(' ')
}

/** Far is how far a file is, or how long a live push has been in its room. */
function Far({ push: p }: { push: Push }) {
  const g = p.progress
  if (!g || g.playedMs === 0) return null
  const length = p.endAtMs ?? g.durationMs
  if (!length || p.source?.kind === 'live') {
    return (
      <span class="tabular-nums">
        {duration(g.playedMs)} <span class="text-soft">{p.source?.kind === 'live' && t('live')}</span>
      </span>
    )
  }
  return (
    <>
      <span class="block truncate tabular-nums">
        {duration(g.positionMs)} <span class="text-soft">/ {duration(length)}</span>
        {p.repeat !== undefined && (
          <span class="text-soft" title={t('loop', { n: (g.loop ?? 0) + 1 })}>
            {' · ×' + ((g.loop ?? 0) + 1)}
          </span>
        )}
      </span>
      <progress class="bar" max={length} value={Math.min(g.positionMs, length)} aria-label={t('progressOf', { room: p.roomId })} />
    </>
  )
}

function Rates({ push: p }: { push: Push }) {
  const g = p.state === 'publishing' ? p.progress : undefined
  return (
    <>
      <span role="gridcell" class="rate upper text-right tabular-nums">
        {g && bitrate(g.bitrateKbps)}
      </span>
      <span role="gridcell" class="rate middle upper text-right tabular-nums">
        {g && fps(g.fps)}
      </span>
      <span role="gridcell" class="rate middle upper text-right tabular-nums">
        {g && `${g.latenessMsP99} ms`}
      </span>
    </>
  )
}

function Why({ push: p }: { push: Push }) {
  const trouble = p.trouble!
  const why = sentence(trouble.code, trouble.message)
  return (
    <span role="gridcell" class="why flex min-w-0 gap-2 text-warn" title={trouble.message}>
      <span class="truncate">{why}</span>
      <span class="shrink-0 max-lg:hidden">
        <TroubleTimes trouble={trouble} />
      </span>
    </span>
  )
}
