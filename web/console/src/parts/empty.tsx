import type { ComponentChildren } from 'preact'

/** Empty says what is not there, why, and what one may do. */
export function Empty({ title, why, children }: { title: string; why?: string; children?: ComponentChildren }) {
  return (
    <div class="flex flex-col items-center gap-2 px-4 py-16 text-center">
      <p class="text-base font-semibold">{title}</p>
      {why && <p class="max-w-md text-soft">{why}</p>}
      {children && <div class="mt-2">{children}</div>}
    </div>
  )
}
