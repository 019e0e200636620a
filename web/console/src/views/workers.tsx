// The workers that are there. They tell of themselves with their renews, every few seconds; there is no stream of it.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { getWorkers, type Worker } from '../api'
import { bytes } from '../format'
import { sentence, t, type Word } from '../i18n'
import { Empty } from '../parts/empty'
import { Icon } from '../parts/icon'
import { Time } from '../parts/time'
import { onWorkers } from '../store'

/** every is how often a visible page asks, in ms. */
const every = 5000

export function Workers() {
  const workers = useSignal<Worker[] | null>(null)
  const wrong = useSignal('')
  useEffect(() => {
    const load = () =>
      getWorkers().then(
        (all) => {
          workers.value = all
          wrong.value = ''
        },
        (err) => (wrong.value = sentence(err.code, err.detail)),
      )
    void load()
    const timer = setInterval(() => document.hidden || load(), every)
    return () => clearInterval(timer)
  }, [])
  return (
    <div class="mx-auto max-w-6xl p-4">
      <h1 class="text-lg font-semibold">{t('workers')}</h1>
      <p class="mb-4 text-soft">
        {t('workersWhy')}{' '}
        <a href="/monitor" target="_blank" rel="noreferrer" class="text-accent underline sm:hidden">
          {t('queue')}
        </a>
      </p>
      {wrong.value && (
        <p role="alert" class="mb-4 text-bad">
          {wrong.value}
        </p>
      )}
      {workers.value === null ? !wrong.value && <Empty title={t('loading')} /> : workers.value.length === 0 ? <Empty title={t('noWorkers')} why={t('noWorkersWhy')} /> : <Table workers={workers.value} />}
    </div>
  )
}

function Table({ workers }: { workers: Worker[] }) {
  return (
    <div class="card overflow-x-auto">
      <table class="w-full text-left max-sm:block">
        <thead class="max-sm:sr-only">
          <tr class="heading border-b border-line *:px-3 *:py-2 *:font-semibold *:whitespace-nowrap">
            <th scope="col">{t('worker')}</th>
            <th scope="col">{t('state')}</th>
            <th scope="col">{t('slots')}</th>
            <th scope="col">{t('capacity')}</th>
            <th scope="col">{t('cpu')}</th>
            <th scope="col">{t('memory')}</th>
            <th scope="col">{t('since')}</th>
            <th scope="col">{t('hasKey')}</th>
            <th scope="col">{t('pushes')}</th>
          </tr>
        </thead>
        <tbody class="max-sm:block">
          {workers.map((w) => (
            <WorkerRow key={w.name} worker={w} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function WorkerRow({ worker: w }: { worker: Worker }) {
  const full = w.used >= w.slots
  const c = w.capacity
  const noCores = !full && c?.freePushes.copied === 0
  const why = w.state !== 'ready' ? w.state : full ? 'full' : noCores ? 'no_cores' : 'ready'
  return (
    <tr class="border-b border-line last:border-0 *:px-3 *:py-2.5 max-sm:flex max-sm:flex-wrap max-sm:items-center max-sm:py-2 max-sm:*:py-1">
      <th scope="row" class="font-mono text-[13px] font-medium break-all">
        {w.name}
        <span class="block text-xs font-normal text-soft">
          <span class="sr-only">{t('version')} </span>
          {w.version}
        </span>
      </th>
      <td class="max-sm:w-full">
        <span class={'inline-flex items-center gap-1.5 font-medium ' + (w.state === 'ready' ? 'text-good' : 'text-warn')}>
          <Icon name={w.state === 'ready' ? 'check' : 'warn'} />
          {t(`ws_${w.state}`)}
        </span>
        <span class="block text-xs text-soft">{t(`ws_${why}_why`)}</span>
        {w.sandbox !== undefined && w.sandbox !== 'holds' && <span class="block text-xs text-warn">{t('noSandbox', { what: w.sandbox })}</span>}
      </td>
      <td class="min-w-36">
        <span class={'block tabular-nums ' + (full ? 'text-warn' : '')}>{t('slotsUsed', { used: w.used, slots: w.slots })}</span>
        <progress class={'bar ' + (full ? 'full' : '')} max={w.slots} value={w.used} aria-label={t('slots')} />
      </td>
      <td class="min-w-32 whitespace-nowrap tabular-nums">
        {c === undefined ? (
          <>
            <Label word="capacity" />–
          </>
        ) : (
          <>
            <span class={'block ' + (noCores ? 'text-warn' : '')}>{t('coresTaken', { used: c.usedCores.toFixed(2), cores: c.cores.toFixed(2) })}</span>
            <progress class={'bar ' + (noCores ? 'full' : '')} max={c.cores} value={c.usedCores} aria-label={t('capacity')} />
            <span class="mt-0.5 block text-xs text-soft">{t('coresFree', { n: c.freeCores.toFixed(2) })}</span>
          </>
        )}
      </td>
      <td class="whitespace-nowrap tabular-nums">
        <Label word="cpu" />
        {w.cpuCores === undefined ? '–' : t('cores', { n: w.cpuCores.toFixed(2) })}
      </td>
      <td class="whitespace-nowrap tabular-nums">
        <Label word="memory" />
        {w.memoryBytes === undefined ? '–' : bytes(w.memoryBytes)}
        {w.memoryLimitBytes !== undefined && <span class="text-soft"> / {bytes(w.memoryLimitBytes)}</span>}
      </td>
      <td>
        <Label word="since" />
        {w.since && <Time at={w.since} />}
      </td>
      <td class={'whitespace-nowrap ' + (w.hasSecretKey ? '' : 'text-bad')}>
        <Label word="hasKey" />
        {t(w.hasSecretKey ? 'keyYes' : 'keyNo')}
      </td>
      <td>
        <a href={'/?worker=' + encodeURIComponent(w.name)} class="whitespace-nowrap text-accent hover:underline">
          {t('showPushes', { n: onWorkers.value.get(w.name) ?? 0 })}
        </a>
      </td>
    </tr>
  )
}

/** Label names a cell where the table has no head: on a phone. */
function Label({ word }: { word: Word }) {
  return <span class="mr-2 text-soft sm:hidden">{t(word)}</span>
}
