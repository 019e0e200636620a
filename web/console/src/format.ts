// Numbers and times as people read them. All pure: the language is given.

/** duration is 0:42, 12:05 or 3:07:00, from milliseconds. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, String(s % 60).padStart(2, '0')]
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`
}

/** bitrate is 820 kb/s or 2.4 Mb/s. */
export function bitrate(kbps: number): string {
  return kbps < 1000 ? `${Math.round(kbps)} kb/s` : `${(kbps / 1000).toFixed(1)} Mb/s`
}

/** bytes is 12 MB: powers of ten, as disks and networks are counted. */
export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let i = 0
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000
  return `${n >= 10 || i === 0 ? Math.round(n) : n.toFixed(1)} ${units[i]}`
}

export function fps(n: number): string {
  return n.toFixed(n >= 100 ? 0 : 1)
}

/** size is 1280×720, or empty. */
export function size(width?: number, height?: number): string {
  return width && height ? `${width}×${height}` : ''
}

/** sourceName is what tells one source from another: its host and the end of its path. */
export function sourceName(address: string): { host: string; name: string } {
  const found = /^[a-z]+:\/\/([^/?#]*)([^?#]*)/i.exec(address)
  if (!found) return { host: '', name: address }
  const [, host = '', path = ''] = found
  const parts = path.split('/').filter(Boolean)
  return { host, name: parts.slice(-2).join('/') || host }
}

/** clock is a local time of day, with the date unless it is of today. */
export function clock(at: string, language: string, now = new Date()): string {
  const time = new Date(at)
  const today = time.toDateString() === now.toDateString()
  return new Intl.DateTimeFormat(language, {
    ...(today ? {} : { month: 'short', day: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(time)
}

/** utc is a time for a title: whole seconds, UTC. */
export function utc(at: string): string {
  return new Date(at).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
}

/** fill puts values in the place of {names}; `{n|one|many}` chooses by the number n. */
export function fill(sentence: string, values: Record<string, string | number>): string {
  return sentence.replace(/\{(\w+)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, name: string, one?: string, many?: string) =>
    one === undefined ? String(values[name] ?? '') : values[name] === 1 ? one : many!,
  )
}

/** bare is what a word was made for that the page does not have: ws_melting is of a worker that is melting. */
export const bare = (word: string) => word.slice(word.indexOf('_') + 1)
