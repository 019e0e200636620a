// What a browser keeps of a person's choices. It may be forbidden to; then they last as long as the page.

export function recall(name: string): string | null {
  try {
    return localStorage.getItem('roomcast.' + name)
  } catch {
    return null
  }
}

export function remember(name: string, value: string) {
  try {
    localStorage.setItem('roomcast.' + name, value)
  } catch {
    // it is asked for again next time
  }
}
