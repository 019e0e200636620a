import { beforeEach, expect, test, vi } from 'vitest'
import type { Push } from './api'
import * as store from './store'

vi.stubGlobal('window', globalThis)

const push = (id: string, more: Partial<Push> = {}): Push => ({
  id, state: 'publishing', status: 'publishing', desired: 'run', videoSrc: 's', sdkAppId: 1, roomId: 'r', userId: 'u', clientRole: 'anchor', redis: false, mode: 'auto',
  attempt: 1, createdAt: '2026-11-22T10:00:00Z', ...more,
})
const trouble = { side: 'source', code: 'source_silent', message: 'm', since: '2026-11-22T10:00:00Z' } as const
const told = (event: string, data: unknown) => ({ event, data: JSON.stringify(data) })
const shown = (id: string) => store.rowOf(id)?.push.peek()

beforeEach(store.clear)

test('what is in trouble stands first, then what runs, then what has ended, the newest first in each', () => {
  const all = [
    push('old'), push('new', { createdAt: '2026-11-22T11:00:00Z' }), push('failed', { state: 'failed', trouble }), push('bad', { trouble, createdAt: '2026-11-22T09:00:00Z' }),
  ]
  expect(all.sort(store.compare).map((p) => p.id)).toEqual(['bad', 'new', 'old', 'failed'])
})

test('a snapshot takes out what ran before and is not in it', () => {
  store.apply([told('snapshot', { pushes: [push('a'), push('b')] })])
  store.put(push('over', { state: 'completed' }))
  store.apply([told('snapshot', { pushes: [push('b')] })])
  expect([...store.allRows()].map((r) => r.id)).toEqual(['b', 'over'])
})

test('progress changes what it names, and takes away a trouble that it does not name', () => {
  store.put(push('a', { trouble, roomId: 'kept' }))
  store.apply([told('progress', { pushId: 'a', state: 'reconnecting' })])
  expect(shown('a')).toMatchObject({ state: 'reconnecting', roomId: 'kept' })
  expect(shown('a')!.trouble).toBeUndefined()
})

test('an event shows its push, and one without a push changes nothing', () => {
  store.apply([told('end', { pushId: 'a', at: '', type: 'end', push: push('a', { state: 'stopped' }) }), told('plan', { pushId: 'a', at: '', type: 'plan' })])
  expect(shown('a')!.state).toBe('stopped')
})

test('what has ended does not run again by an answer that comes late', () => {
  store.put(push('a', { state: 'stopped' }))
  store.put(push('a', { state: 'stopping', desired: 'stop' }))
  expect(shown('a')!.state).toBe('stopped')
})

test('a trouble is news when it begins, not while it lasts', () => {
  store.put(push('a'))
  store.put(push('a', { trouble }))
  expect(store.news.peek()?.id).toBe('a')
  store.news.value = null
  store.put(push('a', { trouble: { ...trouble, tries: 2 } }))
  expect(store.news.peek()).toBeNull()
})

test('of pushes that have ended the newest are kept', () => {
  const many = Array.from({ length: 2300 }, (_, i) => push(String(i), { state: 'completed', createdAt: new Date(i * 1000).toISOString() }))
  many.forEach(store.put)
  store.apply([told('snapshot', { pushes: [push('runs')] })])
  expect([...store.allRows()]).toHaveLength(2001)
  expect(store.rowOf('0')).toBeUndefined()
  expect(store.rowOf('2299')).toBeDefined()
})

test('what is known is stale when nothing has come for ten seconds though something is published', () => {
  expect(store.isStale(11_000)).toBe(false)
  store.put(push('a'))
  expect([store.isStale(9_000), store.isStale(11_000)]).toEqual([false, true])
  store.put(push('a', { state: 'stopped' }))
  expect(store.isStale(11_000)).toBe(false)
})

test('a search fetches what ended long ago, by its room or user, or by its id', async () => {
  const old = push('01a224f4-578b-754e-a9e8-72aa6a1cce0e', { state: 'failed' })
  const asked: string[] = []
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path)
    return Response.json(path.includes('?') ? { pushes: path.includes('roomId=r+1') ? [old] : [] } : old)
  })
  await store.seek('r 1')
  expect(shown(old.id)).toEqual(old)
  store.clear()
  await store.seek(old.id)
  expect(shown(old.id)).toEqual(old)
  expect(asked.at(-1)).toBe('/v1/pushes/' + old.id)
})
