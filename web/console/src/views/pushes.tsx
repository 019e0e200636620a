// All pushes: what is in trouble first, then what runs, then what has ended.
import { batch, computed, effect, signal, useComputed, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { type Push, stopPush } from '../api'
import { sentence, t, type Word } from '../i18n'
import { Empty } from '../parts/empty'
import { Icon } from '../parts/icon'
import { PushRow } from '../parts/row'
import { SureButton } from '../parts/stop'
import { toastProblem } from '../parts/toast'
import { go, query, setQuery } from '../router'
import { allRows, compare, ended, inTrouble, known, loadEnded, maxEnded, more, news, put, type Row, seek, structure } from '../store'

/** ROW is the height of a row in pixels, as style.css has it: two lines, or on a phone four. */
const ROW = 56
const CARD = 112
/** margin is how many rows are drawn above and below those in sight. */
const margin = 8
/** pause is how long somebody types nothing before the API is asked for what is not listed, in ms. */
const pause = 400
/** atOnce is how many stops are asked for at a time. */
const atOnce = 6

const shows: Record<string, { word: Word; has: (p: Push) => boolean }> = {
  '': { word: 'filterAll', has: () => true },
  trouble: { word: 'filterTrouble', has: inTrouble },
  active: { word: 'filterActive', has: (p) => !ended(p.state) },
  failed: { word: 'filterFailed', has: (p) => p.state === 'failed' },
  ended: { word: 'filterEnded', has: (p) => ended(p.state) },
}

const show = computed(() => {
  const name = query.value.get('show') ?? ''
  return Object.hasOwn(shows, name) ? name : ''
})
const sought = computed(() => (query.value.get('q') ?? '').trim().toLowerCase())
const worker = computed(() => query.value.get('worker') ?? '')

const fits = (p: Push) =>
  (!worker.value || p.worker === worker.value) &&
  (!sought.value || [p.roomId, p.userId, p.id, p.videoSrc, ...Object.values(p.metadata ?? {})].some((s) => s.toLowerCase().includes(sought.value)))

/** found are the rows of the search, in order; structure, not each push, decides when they are looked at again. */
const found = computed(() => {
  structure.value
  const rows: { row: Row; push: Push }[] = []
  for (const row of allRows()) {
    const push = row.push.peek()
    if (fits(push)) rows.push({ row, push })
  }
  return rows.sort((a, b) => compare(a.push, b.push))
})

const counts = computed(() => {
  const n: Record<string, number> = {}
  for (const [name, { has }] of Object.entries(shows)) n[name] = found.value.filter((r) => has(r.push)).length
  return n
})

const listed = computed(() => found.value.filter((r) => shows[show.value]!.has(r.push)).map((r) => r.row))

const selected = signal<ReadonlySet<string>>(new Set())
const cursor = signal('')
/** scrolled is where the list was when somebody left it. */
let scrolled = 0

/** what has ended cannot be stopped, and is selected no more. */
const stoppable = (row: Row) => !ended(row.push.peek().state) && row.push.peek().desired === 'run'
effect(() => {
  structure.value
  const kept = [...allRows()].filter((r) => selected.peek().has(r.id) && stoppable(r)).map((r) => r.id)
  if (kept.length !== selected.peek().size) selected.value = new Set(kept)
})

function toggle(id: string) {
  const next = new Set(selected.value)
  if (!next.delete(id)) next.add(id)
  selected.value = next
}

export async function stop(id: string) {
  await stopPush(id).then((p) => void put(p), toastProblem)
}

async function stopSelected() {
  const ids = [...selected.value]
  const next = async () => {
    for (let id = ids.pop(); id; id = ids.pop()) await stop(id)
  }
  await Promise.all(Array.from({ length: atOnce }, next))
  selected.value = new Set()
}

/** useSearch looks for what is not listed. */
function useSearch() {
  const text = (query.value.get('q') ?? '').trim()
  const partial = more.value !== undefined
  useEffect(() => {
    if (!text || !partial) return
    const timer = setTimeout(() => void seek(text).catch(() => {}), pause) // there may be none
    return () => clearTimeout(timer)
  }, [text, partial])
}

export function Pushes() {
  useSearch()
  return (
    <div class="flex h-full min-h-0 flex-col">
      <h1 class="sr-only">{t('pushes')}</h1>
      <Toolbar />
      <News />
      {listed.value.length === 0 ? <Nothing /> : <List />}
      <Older />
      {selected.value.size > 0 && <Selection />}
    </div>
  )
}

function Toolbar() {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const key = (e: KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || (e.target as Element).matches('input, textarea, select')) return
      e.preventDefault()
      field.current?.focus()
    }
    addEventListener('keydown', key)
    return () => removeEventListener('keydown', key)
  }, [])
  return (
    <div class="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line bg-card px-4 py-2 max-sm:px-3 shrink-0">
      <nav aria-label={t('filters')} class="-mx-1 flex flex-wrap gap-1">
        {Object.entries(shows).map(([name, { word }]) => (
          <Filter key={name} name={name} word={word} />
        ))}
      </nav>
      {worker.value && (
        <button type="button" class="button small" aria-label={`${t('onWorker', { worker: worker.value })}. ${t('clearFilter')}`} onClick={() => setQuery({ worker: '' })}>
          {t('onWorker', { worker: worker.value })} <Icon name="cross" class="size-3" />
        </button>
      )}
      <div class="relative ml-auto w-72 max-sm:w-full">
        <Icon name="search" class="pointer-events-none absolute top-2 left-2.5 text-soft" />
        <input
          ref={field}
          type="search"
          class="input pl-8"
          aria-label={t('search')}
          title={t('searchHint')}
          placeholder={t('search')}
          value={query.value.get('q') ?? ''}
          onInput={(e) => setQuery({ q: e.currentTarget.value })}
          onKeyDown={(e) => e.key === 'Escape' && setQuery({ q: '' })}
        />
      </div>
    </div>
  )
}

function Filter({ name, word }: { name: string; word: Word }) {
  const here = show.value === name
  const n = counts.value[name] ?? 0
  const alarming = name === 'trouble' && n > 0
  const to = new URLSearchParams(query.value)
  if (name) to.set('show', name)
  else to.delete('show')
  return (
    <a
      href={'/' + (to.size ? '?' + to : '')}
      aria-current={here ? 'page' : undefined}
      class={'flex h-8 items-center gap-1.5 rounded-md px-2.5 font-medium ' + (here ? 'bg-raised text-ink' : 'text-soft hover:text-ink')}
    >
      {alarming && <Icon name="warn" class="text-warn" />}
      {t(word)}
      <span class={'tabular-nums text-xs ' + (alarming ? 'text-warn' : 'text-soft')}>{n}</span>
    </a>
  )
}

/** News tells a screen reader what the others see change colour. */
function News() {
  const n = counts.value.trouble ?? 0
  const push = news.value
  return (
    <p class="sr-only" aria-live="polite">
      {n > 0 && t('inTroubleNow', { n }) + '. '}
      {push?.trouble && t('newTrouble', { room: push.roomId, user: push.userId, why: sentence(push.trouble.code, push.trouble.message) })}
    </p>
  )
}

const phone = matchMedia('(max-width: 640px)')

function List() {
  const scroller = useRef<HTMLDivElement>(null)
  const first = useSignal(0)
  const fit = useSignal(20)
  const height = useSignal(phone.matches ? CARD : ROW)
  const rows = listed.value
  const window = useComputed(() => {
    const from = Math.max(0, Math.min(first.value, listed.value.length) - margin)
    return { from, rows: listed.value.slice(from, first.value + fit.value + margin) }
  })

  useEffect(() => {
    const el = scroller.current!
    const measure = () => {
      if (!el.isConnected) return
      batch(() => {
        height.value = phone.matches ? CARD : ROW
        fit.value = Math.ceil(el.clientHeight / height.value) + 1
        first.value = Math.floor(el.scrollTop / height.value)
      })
      scrolled = el.scrollTop
    }
    el.scrollTop = scrolled
    if (cursor.peek() && document.activeElement?.matches('body, main')) el.focus({ preventScroll: true })
    const watcher = new ResizeObserver(measure)
    watcher.observe(el)
    el.addEventListener('scroll', measure, { passive: true })
    return () => watcher.disconnect()
  }, [])

  const move = (by: number) => {
    const all = listed.peek()
    const at = all.findIndex((r) => r.id === cursor.peek())
    const to = at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))
    if (!all[to]) return
    cursor.value = all[to].id
    const el = scroller.current!
    const [top, bottom] = [to * height.peek(), (to + 1) * height.peek()]
    const shown = el.clientHeight - head(el)
    if (top < el.scrollTop) el.scrollTop = top
    else if (bottom > el.scrollTop + shown) el.scrollTop = bottom - shown
  }
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.target !== e.currentTarget) return
    const acts: Record<string, () => void> = {
      ArrowDown: () => move(1),
      ArrowUp: () => move(-1),
      PageDown: () => move(fit.peek() - 2),
      PageUp: () => move(2 - fit.peek()),
      Home: () => move(-Infinity),
      End: () => move(Infinity),
      Enter: () => listed.peek().some((r) => r.id === cursor.peek()) && go('/pushes/' + cursor.peek()),
      ' ': () => {
        const row = listed.peek().find((r) => r.id === cursor.peek())
        if (row && stoppable(row)) toggle(row.id)
      },
    }
    if (!acts[e.key]) return
    e.preventDefault()
    acts[e.key]!()
  }

  return (
    <div
      ref={scroller}
      role="grid"
      tabIndex={0}
      aria-label={t('pushes')}
      aria-rowcount={rows.length + 1}
      aria-activedescendant={window.value.rows.some((r) => r.id === cursor.value) ? 'row-' + cursor.value : undefined}
      aria-multiselectable="true"
      class="group relative min-h-0 flex-1 overflow-y-auto bg-card outline-offset-[-2px]"
      onKeyDown={onKeyDown}
    >
      <Head rows={rows} />
      <div role="rowgroup" class="relative" style={{ height: `${rows.length * height.value}px` }}>
        {window.value.rows.map((row, i) => (
          <PushRow
            key={row.id}
            row={row}
            index={window.value.from + i}
            height={height.value}
            here={cursor.value === row.id}
            selected={selected.value.has(row.id)}
            onSelect={toggle}
            onStop={stop}
          />
        ))}
      </div>
    </div>
  )
}

const head = (el: Element) => el.querySelector('.head')?.clientHeight ?? 0

function Head({ rows }: { rows: Row[] }) {
  const can = rows.filter(stoppable)
  const all = can.length > 0 && can.every((r) => selected.value.has(r.id))
  const columns: [Word, string][] = [
    ['state', ''], ['room', ''], ['source', ''], ['progress', 'middle'], ['bitrate', 'text-right'], ['fps', 'middle text-right'],
    ['lateness', 'middle text-right'], ['attempt', 'wide text-right'], ['worker', 'wide'],
  ]
  return (
    <div role="rowgroup" class="sticky top-0 z-10">
      <div role="row" aria-rowindex={1} class="row head heading h-8 border-b border-line bg-card">
        <span role="columnheader">
          <input
            type="checkbox"
            class="block accent-accent"
            aria-label={t('selectAll')}
            title={t('selectAll')}
            checked={all}
            disabled={can.length === 0}
            onChange={() => (selected.value = new Set(all ? [] : can.map((r) => r.id)))}
          />
        </span>
        {columns.map(([word, more]) => (
          <span key={word} role="columnheader" class={more}>
            {t(word)}
          </span>
        ))}
        <span role="columnheader" class="sr-only">
          {t('actions')}
        </span>
      </div>
    </div>
  )
}

function Nothing() {
  if (!known.value) return <Empty title={t('loading')} />
  if (show.value || sought.value || worker.value) return <Empty title={t('noMatch')} why={t('noMatchWhy')} />
  return (
    <Empty title={t('noPushes')} why={t('noPushesWhy')}>
      <a class="button primary" href="/new">
        <Icon name="plus" />
        {t('newPush')}
      </a>
    </Empty>
  )
}

/** Older is there where the API has pushes that ended before those that are listed. */
function Older() {
  const over = counts.value.ended ?? 0
  if (!more.value || over >= maxEnded || show.value === 'active' || show.value === 'trouble') return null
  return (
    <div class="mt-auto flex items-center gap-3 border-t border-line bg-card px-4 py-1.5 text-soft">
      {t('endedListed', { n: over })}
      <button type="button" class="button small" onClick={() => loadEnded(true).catch(toastProblem)}>
        {t('olderPushes')}
      </button>
    </div>
  )
}

function Selection() {
  const n = selected.value.size
  return (
    <div class="mt-auto flex items-center gap-3 border-t border-line bg-card px-4 py-2">
      <p role="status" class="font-medium">
        {t('selected', { n })}
      </p>
      <SureButton label={t('stopMany', { n })} sure={t('stopManySure', { n })} act={stopSelected} />
      <button type="button" class="button plain" onClick={() => (selected.value = new Set())}>
        {t('clearSelection')}
      </button>
    </div>
  )
}
