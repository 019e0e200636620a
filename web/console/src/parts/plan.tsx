// What a source holds and what is done with it.
import type { Push } from '../api'
import { duration, size } from '../format'
import { t } from '../i18n'

type Track = NonNullable<Push['source']>['tracks'][number]

export function PlanList({ push: p }: { push: Push }) {
  if (!p.plan) return <p class="text-soft">{t('planWait')}</p>
  return (
    <dl class="flex flex-col gap-3">
      {(['video', 'audio'] as const).map((type) => {
        const plan = p.plan![type]
        if (!plan) return null
        const output = plan.output && [size(plan.output.width, plan.output.height), plan.output.sampleRate && `${plan.output.sampleRate} Hz`].filter(Boolean).join(' ')
        return (
          <div key={type}>
            <dt class="flex flex-wrap gap-x-2 font-medium">
              {t(type)} <span class={plan.action === 'copy' ? 'text-good' : 'text-accent'}>{t(`action_${plan.action}`)}</span>
              {output && <span class="text-soft">{t('into', { output })}</span>}
            </dt>
            <dd class="text-soft">{plan.reason}</dd>
          </div>
        )
      })}
    </dl>
  )
}

const words = (track: Track) =>
  [
    track.codec, track.profile, size(track.width, track.height), track.fps && `${Math.round(track.fps * 100) / 100} fps`, track.sampleRate && `${track.sampleRate} Hz`,
    track.channels && `${track.channels} ch`, track.bitrateKbps && `${track.bitrateKbps} kb/s`,
  ].filter(Boolean).join(' · ')

/** container shortens libav's mov,mp4,m4a,3gp,3g2,mj2. */
const container = (names: string) => names.split(',').slice(0, 2).join('/')

export function TrackList({ push: p }: { push: Push }) {
  if (!p.source) return null
  const others = (p.source.available ?? []).filter((s) => !s.chosen)
  return (
    <div>
      <p class="mb-1">
        {container(p.source.container)} · {p.source.kind === 'live' ? t('live') : p.source.durationMs ? duration(p.source.durationMs) : ''}
      </p>
      <ul class="flex flex-col gap-1">
        {p.source.tracks.map((track) => (
          <li key={track.type}>
            <span class="font-medium">{t(track.type)}</span> <span class="text-soft">{words(track)}</span>
          </li>
        ))}
        {others.map((s, i) => (
          <li key={i} class="text-soft">
            {[s.audioTrack !== undefined && `#${s.audioTrack}`, s.type, s.codec, s.language, s.title, s.leftOut].filter(Boolean).join(' · ')}
          </li>
        ))}
      </ul>
    </div>
  )
}
