import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Problem } from '../api'
import { sentence, t } from '../i18n'
import { signIn } from '../session'
import { awaitSignIn, tellTabs } from '../stream'

/** SignIn exchanges a key for the session. */
export function SignIn() {
  const wrong = useSignal('')
  const busy = useSignal(false)
  useEffect(awaitSignIn, [])
  const submit = async (e: SubmitEvent) => {
    e.preventDefault()
    const key = new FormData(e.currentTarget as HTMLFormElement).get('key') as string
    busy.value = true
    await signIn(key.trim()).then(
      () => tellTabs('signed-in'),
      (err: Problem) => (wrong.value = err.status === 401 ? t('wrongKey') : sentence(err.code, err.detail)),
    )
    busy.value = false
  }
  return (
    <main id="content" class="flex min-h-full items-center justify-center p-4">
      <form class="card flex w-full max-w-sm flex-col gap-4 p-6" onSubmit={submit}>
        <div>
          <h1 class="text-lg font-semibold">{t('signIn')}</h1>
          <p class="text-soft">{t('signInWhy')}</p>
        </div>
        <label class="flex flex-col gap-1 font-medium">
          {t('apiKey')}
          <input class="input font-mono" name="key" type="password" autocomplete="current-password" required autofocus aria-invalid={wrong.value !== ''} aria-describedby="wrong" />
        </label>
        <p id="wrong" role="alert" class="-mt-2 text-bad empty:hidden">
          {wrong.value}
        </p>
        <button class="button primary" disabled={busy.value}>
          {t('signIn')}
        </button>
        <p class="text-xs text-soft">{t('signInHint')}</p>
      </form>
    </main>
  )
}
