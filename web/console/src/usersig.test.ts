import { expect, test } from 'vitest'
import { readUserSig } from './usersig'

async function packed(text: string): Promise<string> {
  const deflated = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('deflate'))).arrayBuffer()
  return btoa(String.fromCharCode(...new Uint8Array(deflated))).replaceAll('+', '*').replaceAll('/', '-').replaceAll('=', '_')
}

test('a UserSig tells its user, application and end', async () => {
  const sig = await packed(JSON.stringify({ 'TLS.ver': '2.0', 'TLS.identifier': 'anna', 'TLS.sdkappid': 1400000000, 'TLS.time': 1760000000, 'TLS.expire': 86400, 'TLS.sig': 'x' }))
  expect(await readUserSig(` ${sig}\n`)).toEqual({ userId: 'anna', sdkAppId: 1400000000, signedAt: new Date(1760000000_000), expiresAt: new Date(1760086400_000) })
})

test.each([
  ['no base64', '%%%'],
  ['no zlib', 'AAAA'],
  ['no JSON', await packed('hello')],
  ['another object', await packed('{}')],
  ['a bomb', await packed(JSON.stringify({ 'TLS.identifier': 'a'.repeat(20_000), 'TLS.time': 1, 'TLS.expire': 1 }))],
])('%s is no UserSig', async (_, sig) => expect(await readUserSig(sig)).toBeNull())
