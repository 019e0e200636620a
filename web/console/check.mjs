// Fails when dist is not what src makes, when src/api.gen.ts is not what openapi.yaml makes, or when the first load is too large.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { build } from 'vite'

/** maxFirstLoad is in bytes, by gzip: what a browser loads before it shows anything. */
const maxFirstLoad = 60_000

const fresh = mkdtempSync(join(tmpdir(), 'console-'))
await build({ logLevel: 'warn', build: { outDir: fresh, emptyOutDir: true } })
const problems = []

const files = (dir) => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name).slice(dir.length + 1)).sort()

/** content undoes the compression: another version of zlib packs the same file in other bytes. */
function content(path) {
  const body = readFileSync(path)
  return path.endsWith('.br') ? brotliDecompressSync(body) : path.endsWith('.gz') ? gunzipSync(body) : body
}

const [kept, made] = [files('dist'), files(fresh)]
for (const name of new Set([...kept, ...made])) {
  if (!kept.includes(name) || !made.includes(name)) problems.push(`${name} is only in ${kept.includes(name) ? 'dist' : 'a fresh build'}`)
  else if (!content(join('dist', name)).equals(content(join(fresh, name)))) problems.push(`${name} differs from a fresh build`)
}
rmSync(fresh, { recursive: true })

const types = execFileSync('node_modules/.bin/openapi-typescript', ['../api/openapi.yaml'], { stdio: ['ignore', 'pipe', 'ignore'] })
if (types.toString().trim() !== readFileSync('src/api.gen.ts', 'utf8').trim()) problems.push('src/api.gen.ts differs from what openapi.yaml makes')

const page = readFileSync('dist/index.html', 'utf8')
const loaded = ['index.html', ...[...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((m) => m[1])]
const size = loaded.reduce((sum, name) => sum + readFileSync(join('dist', name + '.gz')).length, 0)
console.log(`console: the first load is ${(size / 1000).toFixed(1)} kB compressed, of ${maxFirstLoad / 1000}`)
if (size > maxFirstLoad) problems.push('the first load is too large')

if (problems.length > 0) {
  console.error('run make console, and commit what it changes:\n' + problems.join('\n'))
  process.exit(1)
}
