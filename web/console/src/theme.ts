// Dark or light: as the system has it, or as chosen here.
import { effect, signal } from '@preact/signals'
import { recall, remember } from './memory'

export type Theme = 'auto' | 'light' | 'dark'
export const themes: Theme[] = ['auto', 'light', 'dark']

export const theme = signal<Theme>(themes.find((t) => t === recall('theme')) ?? 'auto')

effect(() => {
  document.documentElement.dataset.theme = theme.value
  remember('theme', theme.value)
})

/** systemDark is for charts, whose colours are no CSS. */
export const systemDark = signal(false)
const dark = matchMedia('(prefers-color-scheme: dark)')
systemDark.value = dark.matches
dark.addEventListener('change', () => {
  systemDark.value = dark.matches
})
