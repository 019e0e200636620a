import tailwindcss from '@tailwindcss/vite'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

// ROOMCAST_API is where `npm run dev` finds a running API.
const api = process.env.ROOMCAST_API ?? 'http://127.0.0.1:8080'

/** compressed puts .br and .gz beside each file, which the API serves to whoever takes them. Browsers take brotli by TLS alone. */
const compressed: Plugin = {
  name: 'compressed',
  apply: 'build',
  writeBundle({ dir }) {
    for (const name of readdirSync(dir!, { recursive: true, encoding: 'utf8' })) {
      if (!/\.(html|js|css|svg)$/.test(name)) continue
      const body = readFileSync(join(dir!, name))
      writeFileSync(join(dir!, name + '.br'), brotliCompressSync(body))
      writeFileSync(join(dir!, name + '.gz'), gzipSync(body, { level: 9 }))
    }
  },
}

export default defineConfig({
  plugins: [tailwindcss(), compressed],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { proxy: { '/v1': api, '/monitor': api } },
  build: {
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0, // the page's policy takes no data: addresses
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.ts'] },
})
