// The address is the only state of where one is: views read it, links and go change it.
import { computed, signal } from '@preact/signals'

const address = signal(new URL(location.href))

addEventListener('popstate', () => {
  address.value = new URL(location.href)
})

export const path = computed(() => address.value.pathname)
export const query = computed(() => address.value.searchParams)

export function go(to: string, replace = false) {
  history[replace ? 'replaceState' : 'pushState'](null, '', to)
  address.value = new URL(location.href)
}

/** setQuery changes parameters of the present address in place; an empty one goes. */
export function setQuery(changes: Record<string, string>) {
  const next = new URL(location.href)
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.searchParams.set(name, value)
    else next.searchParams.delete(name)
  }
  go(next.pathname + next.search, true)
}

/** followLinks lets a click on a link of this page change the view without a load. */
export function followLinks(event: MouseEvent) {
  const link = (event.target as Element).closest?.('a')
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  if (link.target || link.origin !== location.origin || link.hasAttribute('data-outside')) return
  event.preventDefault()
  go(link.pathname + link.search)
}
