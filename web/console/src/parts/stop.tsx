import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

/** sureFor is how long a button waits for the second click, in ms. */
const sureFor = 4000

interface Props {
  label: string
  sure: string
  name?: string
  small?: boolean
  act: () => Promise<unknown> | void
}

/** SureButton acts on a second click; the first changes its words. */
export function SureButton({ label, sure, name, small, act }: Props) {
  const [asked, setAsked] = useState(false)
  const [busy, setBusy] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  useLayoutEffect(() => {
    if (asked && document.activeElement === document.body) button.current?.focus({ preventScroll: true }) // its row has changed places
  })
  useEffect(() => {
    if (!asked) return
    const timer = setTimeout(() => setAsked(false), sureFor)
    return () => clearTimeout(timer)
  }, [asked])
  const click = async (e: Event) => {
    e.stopPropagation()
    if (!asked) return setAsked(true)
    setAsked(false)
    setBusy(true)
    await act()
    setBusy(false)
  }
  return (
    <button
      ref={button}
      type="button"
      class={'button ' + (small ? 'small ' : '') + (asked ? 'sure' : '')}
      disabled={busy}
      aria-label={asked ? `${sure} ${name ?? ''}`.trim() : (name ?? label)}
      onClick={click}
      onBlur={(e) => e.relatedTarget && setAsked(false)} // to nowhere goes the focus of what is moved
    >
      {asked ? sure : label}
    </button>
  )
}
