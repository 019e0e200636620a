// The picture that the room sees. Asking for it is what makes the worker decode one, so it is asked for only while somebody looks.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { getPreview, type Problem, type Push } from '../api'
import { duration } from '../format'
import { sentence, t } from '../i18n'
import { now } from '../now'

/** every is how often the worker makes a picture, in ms. */
const every = 2000
/** first is when the first one is asked for again, in ms. */
const first = 1000
/** patience is how often it is asked for before it is said that there is none. */
const patience = 5
/** old is from when on a picture's age is told, in ms. */
const old = 6000

export function Preview({ push: p }: { push: Push }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const at = useSignal(0)
  const why = useSignal('')
  const off = p.state !== 'publishing'

  useEffect(() => {
    if (off) return
    const over = new AbortController()
    let timer = 0
    let tries = 0
    const look = async () => {
      clearTimeout(timer)
      if (document.hidden || over.signal.aborted) return
      try {
        const picture = await getPreview(p.id, over.signal)
        if (typeof picture === 'string') {
          why.value = picture === 'no_video' ? t('previewSound') : ++tries > patience ? t('previewLate') : ''
        } else {
          draw(canvas.current!, picture.image)
          at.value = picture.at.getTime()
        }
      } catch (err) {
        const { code, detail } = err as Problem
        if (code === 'preview_off') {
          why.value = t('previewOff')
          return
        }
        if (++tries > patience) why.value = sentence(code, detail)
      }
      timer = window.setTimeout(look, at.peek() || tries > patience ? every : first)
    }
    void look()
    document.addEventListener('visibilitychange', look, { signal: over.signal })
    return () => {
      over.abort()
      clearTimeout(timer)
    }
  }, [p.id, off])

  const age = now.value - at.value
  return (
    <figure class="card relative overflow-hidden">
      <canvas
        ref={canvas}
        role="img"
        aria-label={t('previewOf', { room: p.roomId })}
        width={320}
        height={180}
        class={'block aspect-video w-full bg-raised object-contain ' + (off ? 'opacity-50' : '')}
      />
      {at.value === 0 && <figcaption class="absolute inset-0 flex items-center justify-center p-4 text-center text-soft">{off ? t('previewIdle') : why.value || t('previewWait')}</figcaption>}
      {at.value > 0 && age > old && (
        <figcaption class="absolute right-2 bottom-2 rounded bg-black/70 px-1.5 text-xs text-white tabular-nums">{t('previewAge', { time: duration(age) })}</figcaption>
      )}
    </figure>
  )
}

function draw(canvas: HTMLCanvasElement, image: ImageBitmap) {
  canvas.width = image.width
  canvas.height = image.height
  canvas.getContext('2d')!.drawImage(image, 0, 0)
  image.close()
}
