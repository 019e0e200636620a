// The page's words in the reader's language. The server's sentences stay as they are; their codes are explained by codes.ts.
import { effect, signal } from '@preact/signals'
import { type Code, codes } from './codes'
import { bare, fill } from './format'
import { recall, remember } from './memory'
import { en } from './words.en'
import { zh } from './words.zh'

export type Language = 'en' | 'zh'
export type Word = keyof typeof en

const words: Record<Language, Record<Word, string>> = { en, zh }
const tags: Record<Language, string> = { en: 'en', zh: 'zh-CN' }

function preferred(): Language {
  const kept = recall('language')
  if (kept === 'en' || kept === 'zh') return kept
  return navigator.language.startsWith('zh') ? 'zh' : 'en'
}

export const language = signal<Language>(preferred())

effect(() => {
  document.documentElement.lang = tags[language.value]
})

export function setLanguage(to: Language) {
  language.value = to
  remember('language', to)
}

/** tag is the language for Intl. */
export const tag = () => tags[language.value]

/** t is a sentence with its names filled in; of a state or an action that only a newer server knows, its name. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return fill(words[language.value][word] ?? bare(word), values)
}

/** explain is what a code means and what to do about it; null for one that this page does not know yet. */
export function explain(code: string | undefined): { what: string; todo: string } | null {
  return codes[language.value][code as Code] ?? null
}

/** sentence is the server's own in English, and by its code in another language where there is a word for it. */
export function sentence(code: string | undefined, message: string | undefined): string {
  if (language.value === 'en') return message || explain(code)?.what || code || ''
  return explain(code)?.what ?? (code === 'unreachable' ? t('noAnswer') : (message ?? code ?? ''))
}
