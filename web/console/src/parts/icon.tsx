// Icons of 16 pixels, drawn here: an icon beside a word, never alone, so that they say nothing to a screen reader.

const shapes = {
  play: 'M5 3.5v9l7-4.5Z',
  dots: 'M3 8h.01M8 8h.01M13 8h.01',
  clock: 'M8 4.5V8l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  retry: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  check: 'm3 8.5 3.2 3.2L13 5',
  cross: 'm4 4 8 8M12 4l-8 8',
  square: 'M4.5 4.5h7v7h-7Z',
  warn: 'M8 6v3M8 11.5h.01M7.1 2.6 1.6 12a1 1 0 0 0 .9 1.5h11a1 1 0 0 0 .9-1.5L8.9 2.6a1 1 0 0 0-1.8 0Z',
  plus: 'M8 3v10M3 8h10',
  search: 'm10.5 10.5 3 3M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0Z',
  out: 'M6 3H3v10h10v-3M9 3h4v4M13 3 7.5 8.5',
  back: 'M9.5 3.5 5 8l4.5 4.5',
  sun: 'M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z',
  moon: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z',
  half: 'M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0ZM8 2v12M10 4v8M12 6v4',
  copy: 'M6 6h7v7H6ZM10 6V3H3v7h3',
  leave: 'M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6.5',
  eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM10 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0Z',
} as const

export type IconName = keyof typeof shapes

export function Icon({ name, class: more = '' }: { name: IconName; class?: string }) {
  return (
    <svg class={'size-4 shrink-0 ' + more} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={shapes[name]} />
    </svg>
  )
}
