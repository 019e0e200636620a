// Four small charts of the last hour. What draws them is loaded with the first push that is opened.
import { signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { HistoryEvent, Sample } from '../api'
import { bitrate, clock, fps } from '../format'
import { tag, t, type Word } from '../i18n'
import { systemDark, theme } from '../theme'
import type { Chart } from './chart'

interface Metric {
  word: Word
  values: (samples: Sample[]) => number[]
  read: (n: number) => string
}

const metrics: Metric[] = [
  { word: 'bitrate', values: (all) => all.map((s) => s.bitrateKbps), read: bitrate },
  { word: 'fps', values: (all) => all.map((s) => s.fps), read: fps },
  { word: 'lateness', values: (all) => all.map((s) => s.latenessMs), read: (n) => `${n} ms` },
  { word: 'dropped', values: (all) => all.map((s) => s.droppedPackets), read: String },
]

/** pointed is the sample under the pointer, the same in all charts. */
const pointed = signal<number | null>(null)

export function Charts({ samples, events, over }: { samples: Sample[]; events: HistoryEvent[]; over: boolean }) {
  if (samples.length < 2) return <p class="text-soft">{t(over ? 'chartsNone' : 'chartsWait')}</p>
  return (
    <div class="grid gap-x-6 gap-y-4 md:grid-cols-2">
      {metrics.map((m) => (
        <MetricChart key={m.word} metric={m} samples={samples} events={events} />
      ))}
    </div>
  )
}

function MetricChart({ metric, samples, events }: { metric: Metric; samples: Sample[]; events: HistoryEvent[] }) {
  const place = useRef<HTMLDivElement>(null)
  const chart = useSignal<Chart | null>(null)
  const values = metric.values(samples)
  const look = theme.value + systemDark.value
  useEffect(() => {
    let gone = false
    void import('./chart').then(({ drawChart }) => {
      if (!gone) chart.value = drawChart(place.current!, { language: tag(), onPoint: (i) => (pointed.value = i) })
    })
    return () => {
      gone = true
      chart.value?.close()
      chart.value = null
    }
  }, [look, tag()])
  useEffect(() => {
    chart.value?.set(samples.map((s) => Date.parse(s.at) / 1000), values, events)
  }, [chart.value, samples, events])

  const at = pointed.value !== null && samples[pointed.value] ? pointed.value : samples.length - 1
  const said = metric.read(values[at] ?? 0)
  return (
    <section>
      <h3 class="flex items-baseline gap-2">
        <span class="heading">{t(metric.word === 'dropped' ? 'droppedPer' : metric.word)}</span>
        <span class="ml-auto font-medium tabular-nums">{said}</span>
        {pointed.value !== null && <span class="text-xs text-soft tabular-nums">{clock(samples[at]!.at, tag())}</span>}
      </h3>
      <div ref={place} role="img" aria-label={t('chartFor', { name: t(metric.word), value: metric.read(values.at(-1) ?? 0) })} class="h-30 border-line text-accent" />
    </section>
  )
}
