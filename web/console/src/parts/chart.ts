// uPlot with the page's colours and marks where something happened. Loaded when a push is opened.
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { HistoryEvent } from '../api'

export interface Chart {
  set(times: number[], values: number[], events: HistoryEvent[]): void
  close(): void
}

interface Options {
  language: string
  onPoint: (index: number | null) => void
}

/** colourOf asks the style sheet: a canvas knows no variables. */
function colourOf(place: Element, name: string): string {
  const probe = place.appendChild(document.createElement('i'))
  probe.className = name
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const markColours: Partial<Record<HistoryEvent['type'], string>> = { trouble: 'text-warn', warning: 'text-warn', recovered: 'text-good' }

/** drawChart fills place, follows its width, and shares its pointer with the other charts. */
export function drawChart(place: HTMLElement, { language, onPoint }: Options): Chart {
  const [line, soft, grid] = ['text-accent', 'text-soft', 'text-strong'].map((name) => colourOf(place, name))
  let marks: HistoryEvent[] = []
  const time = (second?: '2-digit') => new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second, hourCycle: 'h23' })
  const [minutes, seconds] = [time(), time('2-digit')]
  const axis = { stroke: soft, font: '11px system-ui', ticks: { show: false }, grid: { stroke: grid, width: 0.5, dash: [2, 3] } }
  const plot = new uPlot(
    {
      width: place.clientWidth || 300,
      height: place.clientHeight,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'push' }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.15 : 1] } },
      axes: [
        { ...axis, grid: { show: false }, size: 24, space: 64, values: (_, ticks, __, ___, apart) => ticks.map((s) => (apart < 60 ? seconds : minutes).format(s * 1000)) },
        { ...axis, size: 44, space: 28, values: (_, ticks) => ticks.map(short) },
      ],
      series: [{}, { stroke: line, width: 1.5, fill: `color-mix(in srgb, ${line} 12%, transparent)`, points: { show: false } }],
      hooks: {
        draw: [(u) => drawMarks(u, marks, (e) => colourOf(place, e.state === 'failed' ? 'text-bad' : (markColours[e.type] ?? 'text-soft')))],
        setCursor: [(u) => onPoint(u.cursor.idx ?? null)],
      },
    },
    [[], []],
    place,
  )
  const watcher = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: place.clientHeight }))
  watcher.observe(place)
  return {
    set(times, values, events) {
      marks = events
      plot.setData([times, values])
    },
    close() {
      watcher.disconnect()
      plot.destroy()
    },
  }
}

const short = (n: number) => (n >= 10_000 ? n / 1000 + 'k' : String(Math.round(n * 10) / 10))

function drawMarks(u: uPlot, events: HistoryEvent[], colour: (e: HistoryEvent) => string) {
  const { left, top, width, height } = u.bbox
  const { ctx } = u
  ctx.save()
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio])
  for (const e of events) {
    if (e.type === 'plan') continue
    const x = u.valToPos(Date.parse(e.at) / 1000, 'x', true)
    if (!(x >= left && x <= left + width)) continue
    ctx.strokeStyle = colour(e)
    ctx.beginPath()
    ctx.moveTo(x, top)
    ctx.lineTo(x, top + height)
    ctx.stroke()
  }
  ctx.restore()
}
