// A new push. The server checks while one types, with the rules that a start has.
import { computed, signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { getPush, Problem, type Push, startPush, tryPush } from '../api'
import { type Form, formOf, placeOf, requestOfForm } from '../form'
import { clock } from '../format'
import { sentence, t, tag, type Word } from '../i18n'
import { Banner } from '../parts/banner'
import { Field } from '../parts/field'
import { Icon } from '../parts/icon'
import { PlanList, TrackList } from '../parts/plan'
import { serverTime } from '../now'
import { go, query } from '../router'
import { lacks, requestOf } from '../request'
import { put } from '../store'
import { readUserSig, type UserSig } from '../usersig'

/** pause is how long somebody types nothing before the server is asked, in ms. */
const pause = 400

interface Check {
  busy?: boolean
  good?: Push
  problem?: Problem
}

const form = signal<Form>({})
const touched = signal<ReadonlySet<string>>(new Set())
/** all says to show that a field is empty where nobody has been, too. */
const all = signal(false)
const check = signal<Check>({})
const look = signal<Check>({})

const made = computed(() => requestOfForm(form.value, (n, mark) => t('lineWithout', { n, mark })))

const required = ['videoSrc', 'sdkAppId', 'roomId', 'userId']
/** lacking are the required fields that are still empty: before that the server has nothing to check. */
const lacking = computed(() => required.filter((name) => !(name in made.value.request)))

/** wrong is what is wrong with each field, by name. */
const wrong = computed(() => {
  const said = new Map<string, string>()
  for (const { field, detail } of [...made.value.errors, ...(check.value.problem?.errors ?? [])]) {
    const name = field === 'strRoomId' ? 'roomId' : field.split(/[.[]/)[0]!
    if (!said.has(name)) said.set(name, detail)
  }
  const { problem } = check.value
  const place = problem && problem.errors.length === 0 ? placeOf(problem.code) : undefined
  if (place && !said.has(place)) said.set(place, sentence(problem!.code, problem!.detail))
  for (const name of lacking.value) if (all.value || touched.value.has(name)) said.set(name, t('missing'))
  return said
})

function set(name: string, value: string) {
  form.value = { ...form.value, [name]: value }
  look.value = {}
  touch(name)
}

function touch(name: string) {
  if (!touched.peek().has(name)) touched.value = new Set([...touched.peek(), name])
}

function begin(filled: Form) {
  form.value = filled
  touched.value = new Set(Object.keys(filled))
  all.value = false
  check.value = {}
  look.value = {}
}

export function NewPush() {
  const from = query.value.get('from')
  const again = useSignal<Push | null>(null)
  useEffect(() => {
    begin({})
    if (!from) return
    getPush(from).then(
      (p) => {
        again.value = p
        begin(formOf(requestOf(p)))
      },
      (err) => (check.value = { problem: err }),
    )
  }, [from])
  useChecks()
  return (
    <form class="mx-auto grid max-w-5xl items-start gap-4 p-4 max-sm:p-3 lg:grid-cols-[minmax(0,1fr)_340px]" noValidate onSubmit={submit}>
      <div class="card flex flex-col gap-4 p-4">
        <h1 class="text-lg font-semibold">{t(again.value ? 'againTitle' : 'newTitle')}</h1>
        {again.value && <Again push={again.value} />}
        <Input name="videoSrc" label="source" hint="videoSrcHint" required />
        <div class="grid gap-4 sm:grid-cols-3">
          <Input name="sdkAppId" label="application" type="number" required />
          <Input name="roomId" label="room" hint="roomIdHint" required />
          <Input name="userId" label="user" hint="userIdHint" required />
        </div>
        <Signature />
        <More />
      </div>
      <aside class="flex flex-col gap-4 lg:sticky lg:top-4">
        <div class="card flex flex-col gap-3 p-4">
          <Verdict />
          <Submit />
        </div>
        <Looked />
      </aside>
    </form>
  )
}

/** useChecks asks the server when the form has changed and somebody pauses. */
function useChecks() {
  useEffect(() => {
    const { request, errors } = made.value
    if (lacking.value.length > 0) check.value = {}
    if (lacking.value.length > 0 || errors.length > 0) return
    const over = new AbortController()
    const timer = setTimeout(async () => {
      check.value = { ...check.peek(), busy: true }
      check.value = await tryPush(request, false, over.signal).then(
        (good) => ({ good }),
        (err) => (over.signal.aborted ? check.peek() : { problem: err as Problem }),
      )
    }, pause)
    return () => {
      clearTimeout(timer)
      over.abort()
    }
  }, [made.value])
}

const starting = signal(false)

async function submit(e: Event) {
  e.preventDefault()
  const target = e.currentTarget as HTMLFormElement
  if (!complete(target) || starting.value) return
  starting.value = true
  try {
    const p = await startPush(made.value.request)
    put(p)
    go('/pushes/' + p.id)
  } catch (err) {
    check.value = { problem: err as Problem }
    toWrong(target)
  }
  starting.value = false
}

/** complete says whether the form can be sent, and shows why not. */
function complete(shown: HTMLFormElement): boolean {
  all.value = true
  if (lacking.value.length === 0 && made.value.errors.length === 0) return true
  toWrong(shown)
  return false
}

const toWrong = (shown: HTMLFormElement) => requestAnimationFrame(() => shown.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus())

async function probe(e: Event) {
  if (!complete((e.currentTarget as HTMLButtonElement).form!)) return
  look.value = { busy: true }
  look.value = await tryPush(made.value.request, true, AbortSignal.timeout(60_000)).then(
    (good) => ({ good }),
    (err) => (err instanceof Problem ? { problem: err } : {}),
  )
}

interface InputProps {
  name: string
  label: Word
  hint?: Word
  required?: boolean
  type?: 'text' | 'lines' | 'number' | 'choice'
  choices?: string[]
}

function Input({ name, label, hint, ...more }: InputProps) {
  return (
    <Field
      name={name}
      label={t(label)}
      hint={hint && t(hint)}
      error={wrong.value.get(name)}
      value={form.value[name] ?? ''}
      onInput={(v) => set(name, v)}
      onBlur={() => form.peek()[name] !== undefined && touch(name)}
      {...more}
    />
  )
}

function Switch({ name, label }: { name: string; label: Word }) {
  return (
    <label class="flex items-center gap-2">
      <input type="checkbox" name={name} class="accent-accent" checked={form.value[name] === 'true'} onChange={(e) => set(name, e.currentTarget.checked ? 'true' : '')} />
      {t(label)}
      <span class="text-bad">{wrong.value.get(name)}</span>
    </label>
  )
}

function Again({ push: p }: { push: Push }) {
  const { userSig, headers, callback } = lacks(p)
  const more = [userSig && t('againSignature'), headers.length > 0 && t('againHeaders', { names: headers.join(', ') }), callback && t('againCallback')].filter(Boolean).join('')
  return <p class="rounded-md bg-raised p-3">{t('againLacks', { more })}</p>
}

/** Signature shows what the UserSig says of itself, before the server has seen it. */
function Signature() {
  const read = useSignal<UserSig | null>(null)
  const sig = form.value.userSig?.trim() ?? ''
  useEffect(() => {
    read.value = null
    if (sig) void readUserSig(sig).then((r) => (read.value = r))
  }, [sig])
  const said = read.value
  const other = said && ((form.value.userId && said.userId !== form.value.userId) || (form.value.sdkAppId && String(said.sdkAppId) !== form.value.sdkAppId.trim()))
  const expired = said && said.expiresAt.getTime() < serverTime()
  return (
    <Field name="userSig" label="UserSig" hint={t('userSigHint')} type="lines" error={wrong.value.get('userSig')} value={form.value.userSig ?? ''} onInput={(v) => set('userSig', v)}>
      {sig && (
        <p id="usersig-says" class={'text-xs ' + (!said || other || expired ? 'text-warn' : 'text-good')}>
          {!said
            ? t('sigGarbage')
            : t(expired ? 'sigExpired' : 'sigReads', { user: said.userId, app: said.sdkAppId, time: clock(said.expiresAt.toISOString(), tag()) })}
          {other && ' ' + t('sigOtherUser')}
        </p>
      )}
    </Field>
  )
}

const optional = [
  'mode', 'startAtMs', 'endAtMs', 'repeat', 'maxDurationSec', 'maxIdleSec', 'redis', 'transcode', 'width', 'height', 'fps', 'videoKbps', 'audioKbps', 'volume',
  'audioTrack', 'audioDelayMs', 'mute', 'fillVideo', 'headers', 'callbackUrl', 'callbackEvents', 'metadata',
]

function More() {
  const open = optional.some((name) => form.value[name] || wrong.value.get(name))
  return (
    <details class="border-t border-line pt-4" open={open || undefined}>
      <summary class="font-medium">{t('moreOptions')}</summary>
      <Group title="playing">
        <Input name="mode" label="mode" type="choice" choices={['', 'vod', 'live']} />
        <Input name="startAtMs" label="startAtMs" type="number" />
        <Input name="endAtMs" label="endAtMs" type="number" />
        <Input name="repeat" label="repeat" hint="repeatHint" type="number" />
        <Input name="maxDurationSec" label="maxDurationSec" type="number" />
        <Input name="maxIdleSec" label="maxIdleSec" type="number" />
      </Group>
      <div class="mt-3">
        <Switch name="redis" label="resumeField" />
      </div>
      <Group title="pictureAndSound">
        <Input name="transcode" label="transcode" type="choice" choices={['', 'never', 'always']} />
        <Input name="width" label="width" type="number" />
        <Input name="height" label="height" type="number" />
        <Input name="fps" label="fps" type="number" />
        <Input name="videoKbps" label="videoKbps" type="number" />
        <Input name="audioKbps" label="audioKbps" type="number" />
        <Input name="volume" label="volume" type="number" />
        <Input name="audioTrack" label="audioTrack" hint="audioTrackHint" />
        <Input name="audioDelayMs" label="audioDelayMs" type="number" />
      </Group>
      <div class="mt-3 flex flex-wrap gap-x-6 gap-y-2">
        <Switch name="mute" label="mute" />
        <Switch name="fillVideo" label="fillVideo" />
      </div>
      <h2 class="heading mt-5 mb-2">{t('other')}</h2>
      <div class="flex flex-col gap-4">
        <Input name="headers" label="headers" hint="headersHint" type="lines" />
        <Input name="metadata" label="metadataField" hint="metadataHint" type="lines" />
        <Input name="callbackUrl" label="callbackUrl" />
        <Input name="callbackEvents" label="callbackEvents" hint="callbackEventsHint" />
      </div>
    </details>
  )
}

function Group({ title, children }: { title: Word; children: ComponentChildren }) {
  return (
    <>
      <h2 class="heading mt-5 mb-2">{t(title)}</h2>
      <div class="grid items-start gap-4 sm:grid-cols-3">{children}</div>
    </>
  )
}

/** Verdict says in a line whether this can be started, and all that belongs to no field. */
function Verdict() {
  const { busy, good, problem } = check.value
  const n = [...wrong.value.keys()].length
  const placed = problem && (problem.errors.length > 0 || placeOf(problem.code))
  const [colour, text] = n > 0 ? ['text-warn', t('checkBad', { n })] : good && fails() ? ['text-warn', t('checkGoodBut')] : good ? ['text-good', t('checkGood')] : busy ? ['text-soft', t('checking')] : ['text-soft', t('checkEmpty')]
  const unseen = problem?.errors.filter((e) => !document.getElementById('f-' + e.field) && e.field !== 'strRoomId') ?? []
  return (
    <div role="status" class="flex flex-col gap-2">
      <p class={'flex items-center gap-2 font-medium ' + (problem && !placed ? 'text-bad' : colour)}>
        <Icon name={good && n === 0 && !fails() ? 'check' : busy || (!problem && n === 0 && !fails()) ? 'dots' : 'warn'} />
        {problem && !placed ? sentence(problem.code, problem.detail) : text}
      </p>
      {unseen.map((e) => (
        <p key={e.field} class="text-bad">
          {e.field} {e.detail}
        </p>
      ))}
      {problem?.pushId && (
        <a href={'/pushes/' + problem.pushId} class="text-accent hover:underline">
          {t('holder')}
        </a>
      )}
      {good?.warnings?.map((w) => (
        <p key={w.code} class="text-warn">
          {sentence(w.code, w.message)}
        </p>
      ))}
      {good?.trouble && <Banner title={t('wouldWait')} code={good.trouble.code} message={good.trouble.message} />}
    </div>
  )
}

function Submit() {
  return (
    <div class="flex flex-wrap gap-2">
      <button class="button primary" disabled={starting.value}>
        {t(starting.value ? 'starting' : 'start')}
      </button>
      <button type="button" class="button" disabled={look.value.busy} onClick={probe}>
        <Icon name="eye" />
        {t('probe')}
      </button>
    </div>
  )
}

/** fails is why a start would fail at once, as far as a worker has looked. */
function fails(): { code: string; message: string } | undefined {
  const { good, problem } = look.value
  return problem ? { code: problem.code, message: problem.detail } : good?.error
}

/** Looked is what a worker found when it opened the source. */
function Looked() {
  const { busy, good } = look.value
  const failure = fails()
  if (failure) return <Banner bad title={t('wouldFail')} code={failure.code} message={failure.message} />
  if (!busy && !good) return null
  return (
    <section role="status" class="card flex flex-col gap-3 p-4">
      {busy && <p class="pulse">{t('probing')}</p>}
      {good?.source && (
        <>
          <h2 class="font-semibold">{t('sourceTracks')}</h2>
          <TrackList push={good} />
        </>
      )}
      {good?.plan && (
        <>
          <h2 class="font-semibold">{t('wouldDo')}</h2>
          <PlanList push={good} />
        </>
      )}
    </section>
  )
}
