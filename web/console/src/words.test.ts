import { expect, test } from 'vitest'
import { codes } from './codes'
import { en } from './words.en'
import { zh } from './words.zh'

const holes = (s: string) => [...new Set([...s.matchAll(/\{(\w+)/g)].map((m) => m[1]))].sort()

test('both languages have the same sentences', () => expect(Object.keys(zh)).toEqual(Object.keys(en)))

test('a sentence names the same values in both languages', () => {
  for (const [word, sentence] of Object.entries(en)) expect([word, ...holes(zh[word as keyof typeof zh])]).toEqual([word, ...holes(sentence)])
})

test('both languages explain the same codes, and say what to do for the same ones', () => {
  expect(Object.keys(codes.zh)).toEqual(Object.keys(codes.en))
  for (const [code, { what, todo }] of Object.entries(codes.en)) {
    const there = codes.zh[code as keyof typeof codes.zh]
    expect([code, there.what !== '', there.todo !== '']).toEqual([code, what !== '', todo !== ''])
  }
})
