import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vite'

// ROOMCAST_API is where `npm run dev` finds a running API.
const api = process.env.ROOMCAST_API ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [tailwindcss()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { proxy: { '/v1': api, '/monitor': api } },
  build: {
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    assetsInlineLimit: 0, // the page's policy takes no data: addresses
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 200,
  },
  test: { include: ['src/**/*.test.ts'] },
})
