// One short sentence about what somebody has just done, below, for some seconds.
import { signal } from '@preact/signals'
import { Problem } from '../api'
import { sentence, t } from '../i18n'

const shownFor = 5000
const shown = signal('')
let timer = 0

export function toast(text: string) {
  shown.value = text
  clearTimeout(timer)
  timer = window.setTimeout(() => (shown.value = ''), shownFor)
}

/** toastProblem tells why an act failed, in the server's words. */
export function toastProblem(err: unknown) {
  toast(t('failed', { why: err instanceof Problem ? sentence(err.code, err.detail) : String(err) }))
}

export function Toast() {
  return (
    <div role="status" class="pointer-events-none fixed inset-x-0 bottom-4 z-50 flex justify-center px-4">
      {shown.value && <p class="card pointer-events-auto max-w-xl px-4 py-2 shadow-lg">{shown.value}</p>}
    </div>
  )
}
