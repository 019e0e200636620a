// A push as the request that would start it again, and as a curl command. A push shows no secrets; what it lacks is asked for.
import type { Push, PushRequest } from './api'

/** options are the fields that a push shows just as they were sent. */
const options = [
  'startAtMs', 'endAtMs', 'repeat', 'maxDurationSec', 'maxIdleSec', 'volume', 'mute', 'transcode', 'width', 'height', 'fps', 'videoKbps',
  'audioKbps', 'fillAudio', 'fillVideo', 'audioTrack', 'programNumber', 'audioDelayMs', 'headersFor', 'callbackEvents', 'metadata',
] as const

/** hidden says that an address is not shown whole. */
const hidden = (address: string) => address.includes('[redacted]')

/** requestOf leaves out what is as it is by default. */
export function requestOf(p: Push): PushRequest {
  const request: Record<string, unknown> = { videoSrc: p.videoSrc, sdkAppId: p.sdkAppId, roomId: p.roomId, userId: p.userId }
  if (p.mode !== 'auto') request.mode = p.mode
  if (p.redis) request.redis = true
  if (p.redis && p.resumeScope === 'room') request.resumeScope = p.resumeScope
  for (const name of options) if (p[name] !== undefined) request[name] = p[name]
  if (p.callbackUrl && !hidden(p.callbackUrl)) request.callbackUrl = p.callbackUrl
  return request as PushRequest
}

/** lacks names what a push was given and does not show: it has to be given again. */
export function lacks(p: Push): { userSig: boolean; headers: string[]; callback: boolean } {
  return { userSig: !p.userSigMinted, headers: p.headers ?? [], callback: p.callbackUrl !== undefined && hidden(p.callbackUrl) }
}

const quoted = (s: string) => `'${s.replaceAll("'", `'\\''`)}'`

/** curlOf has a placeholder in angle brackets for each secret. */
export function curlOf(p: Push, origin: string, keyed: boolean): string {
  const { userSig, headers, callback } = lacks(p)
  const body = {
    ...requestOf(p),
    ...(userSig && { userSig: '<userSig>' }),
    ...(headers.length > 0 && { headers: Object.fromEntries(headers.map((name) => [name, '<secret>'])) }),
    ...(callback && { callbackUrl: '<callbackUrl>' }),
  }
  const lines = [`curl ${quoted(origin + '/v1/pushes')}`, `-H 'Content-Type: application/json'`]
  if (keyed) lines.push(`-H 'Authorization: Bearer <API key>'`)
  lines.push(`-d ${quoted(JSON.stringify(body, null, 2))}`)
  return lines.join(' \\\n  ')
}
