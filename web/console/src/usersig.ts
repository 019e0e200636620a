// What a UserSig says of itself. It is read here and sent nowhere.

export interface UserSig {
  userId: string
  sdkAppId: number
  signedAt: Date
  expiresAt: Date
}

/** maxBytes bounds what a signature may unpack to: real ones have less than 1 kB. */
const maxBytes = 16384

/** readUserSig undoes the base64 of TRTC's own alphabet and zlib. It returns null for what is no UserSig. */
export async function readUserSig(sig: string): Promise<UserSig | null> {
  try {
    const packed = atob(sig.trim().replaceAll('*', '+').replaceAll('-', '/').replaceAll('_', '='))
    const said = JSON.parse(await inflate(Uint8Array.from(packed, (c) => c.charCodeAt(0))))
    const [userId, app, time, expire] = ['identifier', 'sdkappid', 'time', 'expire'].map((name) => said['TLS.' + name])
    if (userId === undefined || !(Number(time) > 0) || !(Number(expire) > 0)) return null
    const from = (seconds: number) => new Date(seconds * 1000)
    return { userId: String(userId), sdkAppId: Number(app), signedAt: from(Number(time)), expiresAt: from(Number(time) + Number(expire)) }
  } catch {
    return null
  }
}

async function inflate(packed: Uint8Array<ArrayBuffer>): Promise<string> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate')).getReader()
  const text = new TextDecoder()
  let all = ''
  for (let size = 0; ; ) {
    const { done, value } = await reader.read()
    if (done) return all + text.decode()
    size += value.length
    if (size > maxBytes) throw new Error('too large')
    all += text.decode(value, { stream: true })
  }
}
