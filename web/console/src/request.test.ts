import { expect, test } from 'vitest'
import type { Push } from './api'
import { formOf, placeOf, requestOfForm } from './form'
import { curlOf, requestOf } from './request'

const push: Push = {
  id: 'p', state: 'failed', status: 'failed', desired: 'run', videoSrc: "https://cdn.example/it's.mp4", sdkAppId: 1400000000, roomId: 'r1', userId: 'anna',
  clientRole: 'anchor', redis: false, mode: 'auto', attempt: 1, resumeScope: 'source', repeat: -1, headers: ['Authorization'], callbackUrl: 'https://hook.example/[redacted]',
  metadata: { course: '42' },
}

test('the request of a push has what was asked for and not what is so by default', () => {
  expect(requestOf(push)).toEqual({ videoSrc: push.videoSrc, sdkAppId: 1400000000, roomId: 'r1', userId: 'anna', repeat: -1, metadata: { course: '42' } })
})

test('a curl command is quoted for a shell and has placeholders for secrets', () => {
  const said = curlOf(push, 'https://api.example', true)
  expect(said).toContain(`it'\\''s.mp4`)
  expect(said).toContain(`"userSig": "<userSig>"`)
  expect(said).toContain(`"Authorization": "<secret>"`)
  expect(said).toContain(`Bearer <API key>`)
  expect(said).toContain(`"callbackUrl": "<callbackUrl>"`)
  expect(curlOf(push, 'https://api.example', false)).not.toContain('Bearer')
})

test('a curl command has nothing to fill in where the API mints the signature and nothing is hidden', () => {
  const said = curlOf({ ...push, userSigMinted: true, headers: [], callbackUrl: 'https://hook.example' }, 'https://api.example', false)
  expect(said).toContain(`"callbackUrl": "https://hook.example"`)
  expect(said).not.toContain('<')
})

test('a form makes the request that filled it', () => {
  const { request, errors } = requestOfForm(formOf(requestOf(push)), () => '')
  expect(errors).toEqual([])
  expect(request).toEqual({ videoSrc: push.videoSrc, sdkAppId: '1400000000', roomId: 'r1', userId: 'anna', repeat: '-1', metadata: { course: '42' } })
})

test('a header is cut at its first colon, and a line without one is told', () => {
  const wrong = (n: number, mark: string) => `${n}${mark}`
  expect(requestOfForm({ headers: 'Referer: https://a.example/\n\nX-Key:1', mute: 'true', width: '' }, wrong)).toEqual({
    request: { headers: { Referer: 'https://a.example/', 'X-Key': '1' }, mute: true },
    errors: [],
  })
  expect(requestOfForm({ headers: 'A: 1\nnonsense' }, wrong).errors).toEqual([{ field: 'headers', detail: '2:' }])
})

test.each([
  ['user_busy', 'userId'],
  ['usersig_expired', 'userSig'],
  ['source_blocked', 'videoSrc'],
  ['redis_unavailable', undefined],
])('the problem %s stands beside %s', (code, field) => expect(placeOf(code)).toBe(field))

test('which webhooks are told goes through the form as a list', () => {
  const { request } = requestOfForm(formOf(requestOf({ ...push, callbackEvents: ['push.failed', 'push.completed'] })), () => '')
  expect(request.callbackEvents).toEqual(['push.failed', 'push.completed'])
})
