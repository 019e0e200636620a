// What the page asks of the API, by the types of web/api/openapi.yaml.
import type { components } from './api.gen'
import { heed } from './now'
import { signedOut } from './session'

type Schemas = components['schemas']
export type Push = Schemas['Push'] & { id: string }
export type PushRequest = Schemas['PushRequest']
export type Trouble = Schemas['Trouble']
export type Progress = Schemas['Progress']
export type State = Schemas['State']
export type HistoryEvent = Schemas['Event']
export type LiveEvent = Schemas['LiveEvent'] & { push?: Push }
export type LiveProgress = Schemas['LiveProgress']
export type Snapshot = { pushes: Push[] }
export type Worker = Schemas['Worker']
export type Plan = Schemas['Plan']
export type Sample = Schemas['Samples']['samples'][number]
export type FieldError = Schemas['FieldError']

/** Problem is an error answer (RFC 9457), or no answer: code `unreachable`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly errors: FieldError[] = [],
    readonly pushId?: string,
  ) {
    super(detail)
  }
}

const unreachable = () => new Problem(0, 'unreachable', 'The API cannot be reached.')

/** ask sends one request; what is not 2xx is thrown as a Problem, and 401 shows the sign-in. */
export async function ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  const answer = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), signal: signal ?? null }).catch((err) => {
    throw err?.name === 'AbortError' ? err : unreachable()
  })
  heed(answer.headers.get('Date'))
  if (answer.ok) return answer
  const problem = await problemOf(answer)
  if (problem.status === 401 && path !== '/v1/session') signedOut()
  throw problem
}

async function problemOf(answer: Response): Promise<Problem> {
  const said = await answer.json().catch(() => ({}))
  return new Problem(answer.status, said.code ?? 'internal', said.detail ?? answer.statusText, said.errors, said.pushId)
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await ask('GET', path, undefined, signal)).json()
}

const pathOf = (id: string) => '/v1/pushes/' + encodeURIComponent(id)

export const getPush = (id: string) => get<Push>(pathOf(id))
export const getHistory = async (id: string) => (await get<Schemas['History']>(pathOf(id) + '/events')).events
export const getWorkers = async () => (await get<Schemas['Workers']>('/v1/workers')).workers
export const stopPush = async (id: string): Promise<Push> => (await ask('DELETE', pathOf(id))).json()
export const startPush = async (request: object): Promise<Push> => (await ask('POST', '/v1/pushes', request)).json()

/** tryPush tells what a start would answer; with probe a worker opens the source, too. */
export async function tryPush(request: object, probe: boolean, signal: AbortSignal): Promise<Push> {
  return (await ask('POST', '/v1/pushes?dryRun=true' + (probe ? '&probe=true' : ''), request, signal)).json()
}

export interface EndedPage {
  pushes: Push[]
  nextCursor?: string
}

/** getEnded is a page of the pushes that have ended, newest first; with a room or a user of theirs alone. */
export const getEnded = (more: { cursor?: string; roomId?: string; userId?: string } = {}) =>
  get<EndedPage>('/v1/pushes?' + new URLSearchParams({ state: 'completed,failed,stopped', limit: '200', ...more }))

export const getSamples = async (id: string) => (await get<Schemas['Samples']>(pathOf(id) + '/samples')).samples

export interface Picture {
  image: ImageBitmap
  at: Date
}

/** getPreview is the last picture, or why there is none: `not_yet`, `ended`, `no_video`; a Problem `preview_off` where there will be none. */
export async function getPreview(id: string, signal: AbortSignal): Promise<Picture | string> {
  const answer = await ask('GET', pathOf(id) + '/preview.jpg', undefined, signal)
  if (answer.status === 204) return answer.headers.get('Preview-Missing') ?? 'not_yet'
  const at = answer.headers.get('Last-Modified')
  return { image: await createImageBitmap(await answer.blob()), at: at ? new Date(at) : new Date() }
}
