// The pushes as this tab knows them: a signal for each, so that a message draws one row anew.
import { batch, computed, type Signal, signal } from '@preact/signals'
import { getEnded, getPush, type LiveEvent, type LiveProgress, type Push, type Snapshot, type State } from './api'

export interface Row {
  id: string
  push: Signal<Push>
}

/** maxEnded bounds what a tab keeps of pushes that have ended, so that a page may stay open for weeks. */
export const maxEnded = 2000
/** sortEvery is how often rows may change places, in ms: a list that jumps cannot be read. */
const sortEvery = 250

const rows = new Map<string, Row>()

/** structure grows when rows come, go, or change what they are sorted, counted and filtered by. */
export const structure = signal(0)
/** known is false until the pushes that run are there. */
export const known = signal(false)
/** news is the last trouble that began, for those who listen instead of look. */
export const news = signal<Push | null>(null)
/** more is the cursor of older pushes that have ended, undefined when there are none. */
export const more = signal<string | undefined>(undefined)

export const allRows = () => rows.values()
export const rowOf = (id: string) => rows.get(id)

export const ended = (state: State) => state === 'completed' || state === 'failed' || state === 'stopped'
/** inTrouble is told of pushes that run; one that has ended keeps its trouble as a record. */
export const inTrouble = (p: Push) => p.trouble !== undefined && !ended(p.state)

/** place is what a row is sorted by before its age: trouble, what runs, what has ended. */
export const place = (p: Push) => (ended(p.state) ? 2 : inTrouble(p) ? 0 : 1)

export function compare(a: Push, b: Push): number {
  return place(a) - place(b) || descending(a.createdAt ?? '', b.createdAt ?? '') || descending(a.id, b.id)
}

/** descending orders times of one format, and ids; localeCompare takes ten times as long. */
const descending = (a: string, b: string) => (a < b ? 1 : a > b ? -1 : 0)

let restructure = 0

function changed() {
  restructure ||= window.setTimeout(() => {
    restructure = 0
    structure.value++
  }, sortEvery)
}

/** put takes a push as GET shows it. */
export function put(push: Push): Row {
  const row = rows.get(push.id)
  if (!row) {
    const made = { id: push.id, push: signal(push) }
    rows.set(push.id, made)
    changed()
    return made
  }
  const before = row.push.peek()
  if (ended(before.state) && !ended(push.state)) return row // an answer that the stream has overtaken
  if (before.state !== push.state || inTrouble(before) !== inTrouble(push) || before.worker !== push.worker) changed()
  if (inTrouble(push) && !inTrouble(before)) news.value = push
  row.push.value = push
  return row
}

function progressed({ pushId, state, progress, trouble }: LiveProgress) {
  const row = rows.get(pushId)
  if (!row) return
  const { trouble: _, ...before } = row.push.peek()
  put({ ...before, state, status: state, ...(progress && { progress }), ...(trouble && { trouble }) })
}

/** restart replaces what runs by a snapshot; what ran before it and is not in it has ended meanwhile. */
export function restart(pushes: Push[]) {
  const there = new Set(pushes.map((p) => p.id))
  for (const [id, row] of rows) {
    if (!there.has(id) && !ended(row.push.peek().state)) rows.delete(id)
  }
  pushes.forEach(put)
  structure.value++
  known.value = true
}

/** apply takes messages of the stream, in order. */
export function apply(messages: { event: string; data: string }[]) {
  batch(() => {
    for (const m of messages) {
      const data: unknown = JSON.parse(m.data)
      if (m.event === 'snapshot') restart((data as Snapshot).pushes)
      else if (m.event === 'progress') progressed(data as LiveProgress)
      else if ((data as LiveEvent).push) put((data as LiveEvent).push!)
    }
  })
  forget()
}

function forget() {
  const over = [...rows.values()].filter((r) => ended(r.push.peek().state))
  if (over.length <= maxEnded * 1.1) return
  over.sort((a, b) => compare(a.push.peek(), b.push.peek()))
  for (const row of over.slice(maxEnded)) rows.delete(row.id)
  changed()
}

/** loadEnded fetches the newest pushes that have ended, or with more the next page of them. */
export async function loadEnded(next = false) {
  const page = await getEnded(next && more.peek() ? { cursor: more.peek()! } : {})
  batch(() => {
    page.pushes.forEach(put)
    more.value = page.nextCursor
    structure.value++
  })
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** seek fetches what has ended longer ago than what is listed, by its whole room, user or id. */
export async function seek(text: string) {
  const pushes = uuid.test(text)
    ? [await getPush(text)]
    : (await Promise.all([getEnded({ roomId: text }), getEnded({ userId: text })])).flatMap((page) => page.pushes)
  batch(() => pushes.forEach(put))
}

/** onWorkers counts the pushes that each worker runs. */
export const onWorkers = computed(() => {
  structure.value
  const n = new Map<string, number>()
  for (const { worker } of running()) if (worker) n.set(worker, (n.get(worker) ?? 0) + 1)
  return n
})

/** running are the pushes that have not ended. */
export const running = () => [...rows.values()].map((r) => r.push.peek()).filter((p) => !ended(p.state))

/** quiet is how long nothing may come while something is published, in ms: its progress comes every second. */
const quiet = 10_000

/** isStale says that what is known is of some time ago: the API's stream waits, too, while Redis is away. */
export const isStale = (silentFor: number) => silentFor > quiet && running().some((p) => p.state === 'publishing')

/** clear forgets all: whoever signs in next may be somebody else. */
export function clear() {
  rows.clear()
  known.value = false
  more.value = undefined
  structure.value++
}
