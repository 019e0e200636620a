import { expect, test } from 'vitest'
import { type Gathered, gather } from './samples'
import type { Progress, Sample } from './api'

const at = (s: number) => new Date(1760000000_000 + s * 1000).toISOString()
const progress = (s: number, droppedPackets: number, latenessMsP99: number): Progress => ({
  positionMs: 0, bitrateKbps: 900, fps: 25, sentBytes: 0, droppedPackets, reconnects: 0, latenessMsP99, slippedMs: 0, playedMs: 0, updatedAt: at(s),
})

function gathered(all: Progress[]): Sample[] {
  let state: { samples: Sample[]; since: Gathered | null } = { samples: [], since: null }
  for (const g of all) state = gather(state.samples, state.since, g)
  return state.samples
}

test('ten seconds of progress are one sample, with what was dropped in them and the latest packet', () => {
  expect(gathered([progress(0, 5, 3), progress(4, 7, 80), progress(10, 9, 4), progress(15, 9, 2)])).toEqual([
    { at: at(10), bitrateKbps: 900, fps: 25, latenessMs: 80, droppedPackets: 4 },
  ])
})

test('a counter that begins anew drops less than nothing, which is no sample', () => {
  expect(gathered([progress(0, 50, 3), progress(10, 2, 3)])).toEqual([])
})

test('an hour of samples is kept', () => {
  expect(gathered(Array.from({ length: 400 }, (_, i) => progress(i * 10, 0, 1)))).toHaveLength(360)
})
