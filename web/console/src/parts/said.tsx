import { language, sentence } from '../i18n'

/** Said is the server's sentence; in another language than English what its code means, and the sentence below it, small. */
export function Said({ code, message }: { code: string | undefined; message: string | undefined }) {
  const said = sentence(code, message)
  return (
    <>
      <span class="break-words">{said}</span>
      {language.value !== 'en' && message && message !== said && (
        <span class="block text-xs break-words text-soft" lang="en">
          {message}
        </span>
      )}
    </>
  )
}
