import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { t } from '../i18n'
import { Icon } from './icon'
import { toast, toastProblem } from './toast'

interface Props {
  label: string
  text: () => string | Promise<string>
}

/** CopyButton copies; where a browser lets no page copy (plain http), it shows the text to be copied by hand. */
export function CopyButton({ label, text }: Props) {
  const shown = useSignal('')
  const copy = async () => {
    try {
      const made = await text()
      const done = await navigator.clipboard?.writeText(made).then(() => true, () => false)
      if (done) toast(t('copied'))
      else shown.value = made
    } catch (err) {
      toastProblem(err)
    }
  }
  return (
    <>
      <button type="button" class="button" onClick={copy}>
        <Icon name="copy" />
        {label}
      </button>
      {shown.value && <ByHand title={label} text={shown.value} onClose={() => (shown.value = '')} />}
    </>
  )
}

function ByHand({ title, text, onClose }: { title: string; text: string; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const area = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    dialog.current!.showModal()
    area.current!.select()
  }, [])
  return (
    <dialog ref={dialog} aria-label={title} class="card m-auto w-full max-w-2xl p-4 text-ink backdrop:bg-black/50" onClose={onClose}>
      <p class="mb-2 text-soft">{t('copyByHand')}</p>
      <textarea ref={area} readOnly rows={14} class="input font-mono text-xs" aria-label={title} value={text} />
      <form method="dialog" class="mt-3 text-right">
        <button class="button">{t('close')}</button>
      </form>
    </dialog>
  )
}
