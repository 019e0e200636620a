import type { ComponentChildren } from 'preact'
import { t } from '../i18n'

interface Props {
  name: string
  label: string
  hint?: string
  error?: string
  required?: boolean
  children?: ComponentChildren
  type?: 'text' | 'lines' | 'number' | 'choice'
  choices?: string[]
  value: string
  onInput: (value: string) => void
  onBlur?: () => void
}

/** Field is an input with its label, a hint, and what the server says of its value. */
export function Field({ name, label, hint, error, required, type = 'text', choices = [], value, onInput, onBlur, children }: Props) {
  const shared = {
    id: 'f-' + name,
    name,
    value,
    class: 'input',
    'aria-invalid': error !== undefined,
    'aria-describedby': `h-${name} e-${name}`,
    'aria-required': required ?? false,
    onInput: (e: { currentTarget: { value: string } }) => onInput(e.currentTarget.value),
    onBlur: () => onBlur?.(),
  }
  return (
    <div class="flex min-w-0 flex-col gap-1">
      <label for={'f-' + name} class="font-medium">
        {label} {required && <span aria-hidden="true" class="text-xs font-normal text-soft">{t('required')}</span>}
      </label>
      {type === 'lines' ? (
        <textarea {...shared} rows={2} spellcheck={false} class="input font-mono text-[13px]" />
      ) : type === 'choice' ? (
        <select {...shared}>
          {choices.map((c) => (
            <option key={c} value={c}>
              {c || t('byDefault')}
            </option>
          ))}
        </select>
      ) : (
        <input {...shared} type="text" inputMode={type === 'number' ? 'numeric' : undefined} autocomplete="off" autocapitalize="off" spellcheck={false} />
      )}
      <p id={'e-' + name} class="text-bad empty:hidden">
        {error}
      </p>
      {children}
      <p id={'h-' + name} class="text-xs text-soft empty:hidden">
        {hint}
      </p>
    </div>
  )
}
