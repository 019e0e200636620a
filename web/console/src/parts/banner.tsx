// Why a push is not well, and what to do: above everything else of it.
import type { ComponentChildren } from 'preact'
import type { Push } from '../api'
import { explain, language, t } from '../i18n'
import { ended } from '../store'
import { Icon } from './icon'
import { Said } from './said'
import { TroubleTimes } from './trouble'

export function Banners({ push: p }: { push: Push }) {
  const { trouble, error } = p
  const over = ended(p.state)
  return (
    <div class="flex flex-col gap-3 empty:hidden">
      {error && (
        <Banner bad title={t('failedWith')} code={error.code} message={error.message}>
          {error.retryable && t('retryable')}
        </Banner>
      )}
      {trouble && trouble.code !== error?.code && (
        <Banner title={over ? t('hadTrouble') : t('troubleOf', { side: t(`side_${trouble.side}`) })} code={trouble.code} message={trouble.message} bad={over} trying={!over && trouble.nextTryAt !== undefined}>
          {!over && <TroubleTimes trouble={trouble} last />}
        </Banner>
      )}
    </div>
  )
}

interface Props {
  title: string
  code: string
  message: string
  bad?: boolean
  trying?: boolean // it goes on by itself: what a failure's code advises is too early
  children?: ComponentChildren
}

export function Banner({ title, code, message, bad = false, trying = false, children }: Props) {
  const advised = language.value === 'en' && message.includes('; ') // a failure's sentence ends with what to do
  const todo = trying ? t('goesOnTrying') : advised ? '' : explain(code)?.todo
  return (
    <div role={bad ? undefined : 'status'} class={'flex gap-3 rounded-lg border p-4 ' + (bad ? 'border-bad/40 bg-badbg' : 'border-warn/40 bg-warnbg')}>
      <Icon name={bad ? 'cross' : 'warn'} class={'mt-0.5 ' + (bad ? 'text-bad' : 'text-warn')} />
      <div class="min-w-0">
        <p class="flex flex-wrap items-baseline gap-x-2 font-semibold">
          {title} <code class="font-mono text-xs font-normal text-soft">{code}</code>
        </p>
        <p>
          <Said code={code} message={message} />
        </p>
        {todo && (
          <p class="mt-1">
            <span class="font-medium">{t('whatToDo')}:</span> {todo}
          </p>
        )}
        {children && <p class="mt-1 text-soft">{children}</p>}
      </div>
    </div>
  )
}
