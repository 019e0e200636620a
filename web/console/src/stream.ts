// One connection a browser: HTTP/1.1 gives a host six, and each tab would take one. The tab that holds a Web Lock listens and
// tells the others. Web Locks are there on secure origins only; without them each visible tab has a connection of its own.
import { signal } from '@preact/signals'
import type { Push } from './api'
import { loadSession, session, signedOut } from './session'
import { apply, clear, isStale, known, loadEnded, restart, running } from './store'

interface Message {
  event: string
  data: string
}

type Told =
  | { kind: 'message'; message: Message }
  | { kind: 'hello' } // a tab that has nothing yet
  | { kind: 'greeting'; pushes: Push[] } // for it alone
  | { kind: 'link'; live: boolean }
  | { kind: 'signed-in' | 'signed-out' }

/** live says whether messages come; undefined before the first. */
export const live = signal<boolean | undefined>(undefined)

/** stale says that nothing has come for so long that it cannot be all. */
export const stale = signal(false)

/** retryIn is when a stream that was refused is asked for again, in ms; one that broke comes back by itself. */
const retryIn = 3000
/** hiddenEvery is how often a tab that nobody looks at takes what has come, in ms: it has no frames. */
const hiddenEvery = 1000
const names = ['snapshot', 'state', 'trouble', 'recovered', 'plan', 'warning', 'end', 'progress', 'reset']

const listeners = new Set<(pushId: string, event: string) => void>()
/** lookEvery is how often it is looked whether messages come, in ms. */
const lookEvery = 1000

let heard = Date.now()
let pending: Message[] = []
let timer = 0
let frame = 0

/** onEvent calls back with what happens to pushes, after the store has it. */
export function onEvent(fn: (pushId: string, event: string) => void): () => void {
  listeners.add(fn)
  return () => listeners.delete(fn)
}

function take(message: Message) {
  heard = Date.now()
  stale.value = false
  pending.push(message)
  if (message.event === 'snapshot') void loadEnded().catch(() => {})
  if (timer) return
  timer = window.setTimeout(flush, hiddenEvery)
  frame = requestAnimationFrame(flush)
}

function begin(pushes: Push[]) {
  restart(pushes)
  void loadEnded().catch(() => {})
}

function flush() {
  clearTimeout(timer)
  cancelAnimationFrame(frame)
  timer = 0
  const messages = pending
  pending = []
  apply(messages)
  if (listeners.size === 0) return
  for (const { event, data } of messages) {
    const id = event === 'snapshot' ? '' : (JSON.parse(data).pushId ?? '')
    for (const fn of listeners) fn(id, event)
  }
}

/** open listens until ended, across connections that break. */
function open(tell: (t: Told) => void, ended: AbortSignal) {
  const source = new EventSource('/v1/events')
  const linked = (is: boolean) => {
    live.value = is
    tell({ kind: 'link', live: is })
  }
  ended.addEventListener('abort', () => source.close())
  source.onopen = () => linked(true)
  source.onerror = () => {
    linked(false)
    if (source.readyState !== EventSource.CLOSED || ended.aborted) return
    loadSession().then(() => session.peek() === null && tellTabs('signed-out'), () => {}) // the session may be over
    setTimeout(() => ended.aborted || open(tell, ended), retryIn)
  }
  for (const event of names) {
    source.addEventListener(event, (e) => {
      const message = { event, data: (e as MessageEvent<string>).data }
      take(message)
      tell({ kind: 'message', message })
    })
  }
}

/** connect keeps the store fresh until the returned function is called. */
export function connect(): () => void {
  const over = new AbortController()
  const channel = new BroadcastChannel('roomcast')
  let leads = false
  const looking = setInterval(() => (stale.value = isStale(Date.now() - heard)), lookEvery)
  const tell = (t: Told) => channel.postMessage(t)
  channel.onmessage = ({ data }: MessageEvent<Told>) => {
    if (data.kind === 'signed-out') signedOut()
    else if (data.kind === 'hello' && leads) greet(tell)
    else if (data.kind === 'link' && !leads) live.value = data.live
    else if (data.kind === 'message' && !leads) take(data.message)
    else if (data.kind === 'greeting' && !leads && !known.peek()) begin(data.pushes)
  }
  if (navigator.locks) {
    const lead = async () => {
      await loadSession().catch(() => {}) // the tab that had the lock may have signed out
      if (over.signal.aborted || !session.peek()) return
      leads = true
      open(tell, over.signal)
      await new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()))
    }
    navigator.locks.request('roomcast-stream', { signal: over.signal }, lead).catch(() => {}) // aborted
    tell({ kind: 'hello' })
  } else {
    leads = true // of itself
    whileVisible(over.signal, (hidden) => open(() => {}, hidden))
  }
  return () => {
    over.abort()
    clearInterval(looking)
    channel.close()
    clear()
    live.value = undefined
  }
}

/** greet gives all that this tab has to those that have nothing. Before the first snapshot there is nothing: it will be told to all. */
function greet(tell: (t: Told) => void) {
  flush() // a snapshot that still waits for its frame was told before they could hear
  if (!known.peek()) return
  tell({ kind: 'greeting', pushes: running() })
  tell({ kind: 'link', live: live.peek() ?? false })
}

function whileVisible(ended: AbortSignal, begin: (hidden: AbortSignal) => void) {
  let hidden = new AbortController()
  const look = () => {
    hidden.abort()
    hidden = new AbortController()
    if (!document.hidden && !ended.aborted) begin(hidden.signal)
  }
  document.addEventListener('visibilitychange', look, { signal: ended })
  ended.addEventListener('abort', () => hidden.abort())
  look()
}

/** tellTabs tells the other tabs that the browser's session has begun or is over. */
export function tellTabs(kind: 'signed-in' | 'signed-out') {
  const channel = new BroadcastChannel('roomcast')
  channel.postMessage({ kind } satisfies Told)
  channel.close()
}

/** awaitSignIn looks at the session again once another tab has signed in. */
export function awaitSignIn(): () => void {
  const channel = new BroadcastChannel('roomcast')
  channel.onmessage = ({ data }: MessageEvent<Told>) => {
    if (data.kind === 'signed-in') loadSession().catch(() => {})
  }
  return () => channel.close()
}
