// One push: what, where, how it goes, and why not.
import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { getHistory, getPush, getSamples, type HistoryEvent, type Problem, type Push, type Sample } from '../api'
import { bytes, duration } from '../format'
import { explain, sentence, t, type Word } from '../i18n'
import { Banners } from '../parts/banner'
import { Charts } from '../parts/charts'
import { CopyButton } from '../parts/copy'
import { Empty } from '../parts/empty'
import { Icon } from '../parts/icon'
import { PlanList, TrackList } from '../parts/plan'
import { Preview } from '../parts/preview'
import { Said } from '../parts/said'
import { StateBadge } from '../parts/state'
import { SureButton } from '../parts/stop'
import { Time } from '../parts/time'
import { Timeline } from '../parts/timeline'
import { curlOf } from '../request'
import { gather, type Gathered } from '../samples'
import { session } from '../session'
import { ended, put, type Row, rowOf } from '../store'
import { onEvent } from '../stream'
import { stop } from './pushes'

/** settle is how long events of one push are gathered before its history is asked for, in ms. */
const settle = 300

interface Story {
  row: Signal<Row | undefined>
  events: Signal<HistoryEvent[]>
  samples: Signal<Sample[]>
  wrong: Signal<Problem | null>
}

/** useStory keeps what is known of a push fresh: once from the API, then by the stream. */
function useStory(id: string): Story {
  const row = useSignal(rowOf(id))
  const events = useSignal<HistoryEvent[]>([])
  const samples = useSignal<Sample[]>([])
  const wrong = useSignal<Problem | null>(null)
  useEffect(() => {
    let timer = 0
    let since: Gathered | null = null
    const progressed = () => {
      const p = rowOf(id)?.push.peek()
      if (p?.progress && p.state === 'publishing') ({ samples: samples.value, since } = gather(samples.peek(), since, p.progress))
    }
    const load = async () => {
      try {
        const [push, history] = await Promise.all([getPush(id), getHistory(id)])
        row.value = put(push)
        events.value = history
        wrong.value = null
      } catch (err) {
        wrong.value = err as Problem
      }
    }
    const chart = () =>
      getSamples(id).then(
        (all) => {
          samples.value = all
          since = null
        },
        () => {},
      )
    void load()
    void chart()
    const off = onEvent((of, event) => {
      if (event === 'snapshot') void chart() // what went on while no message came
      if (event === 'progress' && of === id) progressed()
      else if ((of === id && event !== 'progress') || event === 'snapshot') {
        clearTimeout(timer)
        timer = window.setTimeout(load, settle)
      }
    })
    return () => {
      clearTimeout(timer)
      off()
    }
  }, [id])
  return { row, events, samples, wrong }
}

export function PushView({ id }: { id: string }) {
  const story = useStory(id)
  const p = story.row.value?.push.value
  const wrong = story.wrong.value
  useEffect(() => {
    if (p) document.title = `${p.roomId} · Roomcast`
  }, [p?.roomId])
  if (wrong?.status === 404 || wrong?.status === 400) {
    return (
      <Empty title={t('pushGone')} why={t('pushGoneWhy')}>
        <a class="button" href="/">
          {t('back')}
        </a>
      </Empty>
    )
  }
  if (!p) return <Empty title={wrong ? sentence(wrong.code, wrong.detail) : t('loading')} />
  return (
    <article class="mx-auto flex max-w-7xl flex-col gap-4 p-4 max-sm:p-3">
      <Top push={p} story={story} />
      <Banners push={p} />
      <div class="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_320px]">
        <div class="flex flex-col gap-4 max-lg:order-2">
          <Section title="charts">
            <Charts samples={story.samples.value} events={story.events.value} over={ended(p.state)} />
          </Section>
          <Section title="timeline">
            <Timeline events={story.events.value} />
          </Section>
        </div>
        <div class="flex flex-col gap-4">
          <Preview push={p} />
          <Progress push={p} />
          <Section title="plan">
            <PlanList push={p} />
          </Section>
          {p.source && (
            <Section title="sourceTracks">
              <TrackList push={p} />
            </Section>
          )}
          {p.warnings && p.warnings.length > 0 && (
            <Section title="warnings">
              <Warnings push={p} />
            </Section>
          )}
          <Section title="facts">
            <Facts push={p} />
          </Section>
        </div>
      </div>
    </article>
  )
}

function Top({ push: p, story }: { push: Push; story: Story }) {
  const report = () => JSON.stringify({ at: new Date().toISOString(), api: location.origin, push: p, events: story.events.value, samples: story.samples.value }, null, 2)
  return (
    <header class="flex flex-wrap items-center gap-x-6 gap-y-3">
      <div class="min-w-0">
        <a href="/" class="-ml-1 inline-flex items-center gap-0.5 text-xs font-medium text-soft hover:text-ink">
          <Icon name="back" class="size-3.5" />
          {t('back')}
        </a>
        <h1 class="flex flex-wrap items-center gap-x-3 text-lg font-semibold">
          <span class="break-all">{p.roomId}</span>
          <span class="font-normal break-all text-soft">{p.userId}</span>
          <span class="text-sm">
            <StateBadge push={p} />
          </span>
        </h1>
      </div>
      <div class="ml-auto flex flex-wrap gap-2 max-sm:ml-0">
        <CopyButton label={t('copyCurl')} text={() => curlOf(p, location.origin, session.value?.required ?? false)} />
        <CopyButton label={t('copyReport')} text={report} />
        {ended(p.state) ? (
          <a class="button primary" href={'/new?from=' + p.id}>
            <Icon name="retry" />
            {t('startAgain')}
          </a>
        ) : (
          p.desired === 'run' && <SureButton label={t('stop')} sure={t('stopSure')} act={() => stop(p.id)} />
        )}
      </div>
    </header>
  )
}

function Section({ title, children }: { title: Word; children: ComponentChildren }) {
  return (
    <section class="card p-4">
      <h2 class="mb-3 font-semibold">{t(title)}</h2>
      {children}
    </section>
  )
}

function Progress({ push: p }: { push: Push }) {
  const g = p.progress
  if (!g || g.playedMs === 0) return null
  const length = p.source?.kind === 'live' ? undefined : (p.endAtMs ?? g.durationMs)
  return (
    <section class="card p-4">
      <h2 class="mb-1 flex items-baseline gap-2 font-semibold">
        {t('progress')}
        <span class="ml-auto font-medium tabular-nums">
          {duration(length ? g.positionMs : g.playedMs)} <span class="text-soft">{length ? '/ ' + duration(length) : t('live')}</span>
        </span>
      </h2>
      {length && <progress class="bar" max={length} value={Math.min(g.positionMs, length)} aria-label={t('progressOf', { room: p.roomId })} />}
    </section>
  )
}

function Warnings({ push: p }: { push: Push }) {
  return (
    <ul class="flex flex-col gap-3">
      {p.warnings!.map((w) => (
        <li key={w.code} class="flex gap-2">
          <Icon name="warn" class="mt-0.5 text-warn" />
          <div class="min-w-0">
            <Said code={w.code} message={w.message} />
            {explain(w.code)?.todo && <p class="text-soft">{explain(w.code)!.todo}</p>}
          </div>
        </li>
      ))}
    </ul>
  )
}

function Facts({ push: p }: { push: Push }) {
  const g = p.progress
  const facts: [Word, ComponentChildren][] = [
    ['source', <span class="break-all">{p.videoSrc}</span>],
    ['application', p.sdkAppId],
    ['id', <code class="font-mono text-xs break-all">{p.id}</code>],
    ['worker', p.worker && <code class="font-mono text-xs break-all">{p.worker}</code>],
    ['attempt', p.attempt],
    ['mode', p.mode],
    ['created', p.createdAt && <Time at={p.createdAt} />],
    ['started', p.startedAt && <Time at={p.startedAt} />],
    ['ended', p.endedAt && <Time at={p.endedAt} />],
    ['played', g && duration(g.playedMs)],
    ['resumedFrom', g?.resumedFromMs && duration(g.resumedFromMs)],
    ['sent', g && bytes(g.sentBytes)],
    ['dropped', g && String(g.droppedPackets)],
    ['reconnects', g && String(g.reconnects)],
    ['slipped', g?.slippedMs && `${g.slippedMs} ms`],
    ['headersNamed', p.headers?.join(', ')],
    ['callback', p.callbackUrl],
    ['metadata', p.metadata && Object.entries(p.metadata).map(([k, v]) => `${k}=${v}`).join(', ')],
  ]
  return (
    <dl class="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1.5">
      {facts.map(
        ([word, fact]) =>
          fact !== undefined && fact !== '' && fact !== 0 && (
            <div key={word} class="contents">
              <dt class="text-soft">{t(word)}</dt>
              <dd class="tabular-nums break-words">{fact}</dd>
            </div>
          ),
      )}
    </dl>
  )
}
