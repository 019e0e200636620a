// The form of a new push as text, and the request that it makes. The server takes numbers as text and has the rules.
import type { FieldError, PushRequest } from './api'

export type Form = Record<string, string>

const switches = new Set(['redis', 'mute', 'fillVideo'])
/** pairs are the fields of several lines, with what stands between a name and its value. */
export const pairs: Record<string, string> = { headers: ':', metadata: '=' }
/** lists are the fields of several words, of which none holds a comma. */
const lists = new Set(['callbackEvents'])

/** requestOfForm leaves out what is empty; a line without its mark is told by errors. */
export function requestOfForm(form: Form, lineWithout: (n: number, mark: string) => string): { request: Record<string, unknown>; errors: FieldError[] } {
  const request: Record<string, unknown> = {}
  const errors: FieldError[] = []
  for (const [name, text] of Object.entries(form)) {
    const value = text.trim()
    const mark = pairs[name]
    if (value === '') continue
    else if (switches.has(name)) request[name] = value === 'true'
    else if (lists.has(name)) request[name] = value.split(',').map((word) => word.trim()).filter(Boolean)
    else if (!mark) request[name] = value
    else {
      const lines = value.split('\n').map((line) => line.trim())
      const wrong = lines.findIndex((line) => line !== '' && !line.includes(mark))
      if (wrong >= 0) errors.push({ field: name, detail: lineWithout(wrong + 1, mark) })
      else request[name] = Object.fromEntries(lines.filter(Boolean).map((line) => halves(line, mark)))
    }
  }
  return { request, errors }
}

function halves(line: string, mark: string): [string, string] {
  const at = line.indexOf(mark)
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
}

/** formOf fills the form with a request. */
export function formOf(request: PushRequest): Form {
  const form: Form = {}
  for (const [name, value] of Object.entries(request)) {
    form[name] = name in pairs ? Object.entries(value as object).map(([k, v]) => `${k}${pairs[name]}${v}`).join('\n') : String(value)
  }
  return form
}

/** placeOf says beside which field a problem without errors of fields stands. */
export function placeOf(code: string): string | undefined {
  if (code === 'user_busy') return 'userId'
  if (code === 'invalid_usersig' || code === 'usersig_expired') return 'userSig'
  return code.startsWith('source_') ? 'videoSrc' : undefined
}
