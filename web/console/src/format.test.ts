import { expect, test } from 'vitest'
import { bare, bitrate, bytes, duration, fill, sourceName, utc } from './format'

test.each([
  [0, '0:00'],
  [42_900, '0:42'],
  [725_000, '12:05'],
  [11_220_000, '3:07:00'],
  [-5, '0:00'],
])('%i ms are %s', (ms, want) => expect(duration(ms)).toBe(want))

test.each([
  [820, '820 kb/s'],
  [2449, '2.4 Mb/s'],
])('%i kb/s are read as %s', (kbps, want) => expect(bitrate(kbps)).toBe(want))

test.each([
  [12, '12 B'],
  [1_500_000, '1.5 MB'],
  [12_400_000_000, '12 GB'],
])('%i bytes are %s', (n, want) => expect(bytes(n)).toBe(want))

test.each([
  ['https://cdn.example/a/b/lesson.mp4', 'cdn.example', 'b/lesson.mp4'],
  ['rtmp://live.example/app', 'live.example', 'app'],
  ['https://cdn.example', 'cdn.example', 'cdn.example'],
  ['no address', '', 'no address'],
])('the source %s is told by its host and the end of its path', (address, host, name) => expect(sourceName(address)).toEqual({ host, name }))

test('a title has whole seconds of UTC', () => expect(utc('2026-11-22T10:00:00.123Z')).toBe('2026-11-22 10:00:00 UTC'))

test.each([
  [1, '1 push is in r'],
  [2, '2 pushes are in r'],
])('a sentence about %i has the right number', (n, want) => expect(fill('{n} {n|push is|pushes are} in {room}', { n, room: 'r' })).toBe(want))

test('a word that only a newer server knows is shown by its name', () => {
  expect(bare('ws_melting')).toBe('melting')
  expect(bare('state_on_hold')).toBe('on_hold')
  expect(bare('workers')).toBe('workers')
})
