// Who is signed in. The key itself goes to the API once and is kept nowhere.
import { signal } from '@preact/signals'
import type { components } from './api.gen'
import { ask, get } from './api'

export type Session = components['schemas']['Session']

/** session is undefined until the API has answered, and null while a key is asked for. */
export const session = signal<Session | null | undefined>(undefined)

export function signedOut() {
  session.value = null
}

/** loadSession throws a Problem when the API does not answer. */
export async function loadSession() {
  const said = await get<Session>('/v1/session')
  session.value = said.required && !said.name ? null : said
}

export async function signIn(key: string) {
  session.value = await (await ask('POST', '/v1/session', { key })).json()
}

export async function signOut() {
  await ask('DELETE', '/v1/session')
  signedOut()
}
