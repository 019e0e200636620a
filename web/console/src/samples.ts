// The charts between two looks at the API: what the stream tells, gathered as the worker gathers its samples.
import type { Progress, Sample } from './api'

/** sampleEvery is how far apart samples are, in ms; keptSamples are those of an hour. */
const sampleEvery = 10_000
const keptSamples = 360

/** Gathered is what has come since the last sample. */
export interface Gathered {
  from: number
  dropped: number
  lateness: number
}

/** gather adds progress to what was gathered, and once it is time makes a sample of it. */
export function gather(samples: Sample[], since: Gathered | null, g: Progress): { samples: Sample[]; since: Gathered } {
  const at = Date.parse(g.updatedAt ?? '')
  if (!since || g.droppedPackets < since.dropped) return { samples, since: { from: at, dropped: g.droppedPackets, lateness: g.latenessMsP99 } }
  const lateness = Math.max(since.lateness, g.latenessMsP99)
  if (!(at - since.from >= sampleEvery)) return { samples, since: { ...since, lateness } }
  const sample = { at: g.updatedAt!, bitrateKbps: g.bitrateKbps, fps: g.fps, latenessMs: lateness, droppedPackets: g.droppedPackets - since.dropped }
  return { samples: [...samples, sample].slice(-keptSamples), since: { from: at, dropped: g.droppedPackets, lateness: 0 } }
}
