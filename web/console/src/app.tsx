// The frame around the views: who is signed in, where one is, whether messages come.
import { useSignal, useSignalEffect } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { language, setLanguage, t, type Word } from './i18n'
import { Empty } from './parts/empty'
import { Icon, type IconName } from './parts/icon'
import { Toast, toastProblem } from './parts/toast'
import { followLinks, path } from './router'
import { loadSession, session, signOut } from './session'
import { connect, live, stale, tellTabs } from './stream'
import { type Theme, theme, themes } from './theme'
import { NewPush } from './views/new'
import { PushView } from './views/push'
import { Pushes } from './views/pushes'
import { SignIn } from './views/signin'
import { Workers } from './views/workers'

/** againIn is when an API that did not answer is asked again, in ms. */
const againIn = 3000

export function App() {
  const unreachable = useSignal(false)
  useEffect(() => {
    let timer = 0
    const load = () =>
      loadSession().then(
        () => (unreachable.value = false),
        () => {
          unreachable.value = true
          timer = window.setTimeout(load, againIn)
        },
      )
    void load()
    return () => clearTimeout(timer)
  }, [])
  if (session.value === null) return <SignIn />
  if (session.value === undefined) return <Empty title={t(unreachable.value ? 'unreachable' : 'loading')} />
  return <Console />
}

function Console() {
  useEffect(connect, [])
  return (
    <div class="flex h-full flex-col" onClick={followLinks}>
      <a href="#content" class="button sr-only focus:not-sr-only focus:absolute focus:z-50" data-outside>
        {t('skip')}
      </a>
      <Header />
      <main id="content" tabIndex={-1} class="min-h-0 flex-1 overflow-y-auto outline-none">
        <View />
      </main>
      <Toast />
    </div>
  )
}

function View() {
  const [, first = '', second = ''] = path.value.split('/')
  useSignalEffect(() => {
    document.title = [titles[path.value] && t(titles[path.value]!), 'Roomcast'].filter(Boolean).join(' · ')
  })
  useEffect(() => {
    if (document.activeElement === document.body) document.getElementById('content')?.focus() // what had the focus went with its view
  }, [path.value])
  if (first === '') return <Pushes />
  if (first === 'new') return <NewPush />
  if (first === 'workers') return <Workers />
  if (first === 'pushes' && second) return <PushView key={second} id={decodeURIComponent(second)} />
  return <Empty title={t('nowhere')} />
}

const titles: Record<string, Word> = { '/': 'pushes', '/new': 'newPush', '/workers': 'workers' }

function Header() {
  const key = session.value
  return (
    <header class="flex h-12 shrink-0 items-center gap-1 border-b border-line bg-card px-4 max-sm:px-2">
      <a href="/" class="mr-3 flex items-center gap-2 font-semibold max-sm:mr-1">
        <Mark />
        <span class="max-md:sr-only">{t('product')}</span>
      </a>
      <nav aria-label={t('mainNavigation')} class="flex gap-1">
        <Tab to="/" word="pushes" />
        <Tab to="/workers" word="workers" />
        <a href="/monitor" target="_blank" rel="noreferrer" class="flex h-8 items-center gap-1 rounded-md px-2.5 font-medium text-soft hover:text-ink max-sm:hidden">
          {t('queue')}
          <Icon name="out" class="size-3" />
        </a>
      </nav>
      <div class="ml-auto flex items-center gap-1">
        <Link />
        <button type="button" class="button plain small max-sm:px-1.5" lang={language.value === 'en' ? 'zh-CN' : 'en'} onClick={() => setLanguage(language.value === 'en' ? 'zh' : 'en')}>
          {t('otherLanguage')}
        </button>
        <ThemeButton />
        {key?.required && (
          <IconButton name="leave" label={t('signOut')} title={`${t('signOut')}. ${t('signedInAs', { name: key.name ?? '' })}`} onClick={() => signOut().then(() => tellTabs('signed-out'), toastProblem)} />
        )}
        <a class="button primary small ml-2 max-sm:ml-1 max-sm:px-2" href="/new">
          <Icon name="plus" />
          <span class="max-sm:sr-only">{t('newPush')}</span>
        </a>
      </div>
    </header>
  )
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" class="size-6 shrink-0" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="fill-accent" />
      <path d="M12 10.2v11.6a1 1 0 0 0 1.5.9l9.6-5.8a1 1 0 0 0 0-1.8l-9.6-5.8a1 1 0 0 0-1.5.9Z" class="fill-onaccent" />
      <path d="M8 9v14" class="stroke-onaccent" stroke-width="2.4" stroke-linecap="round" opacity=".6" />
    </svg>
  )
}

function Tab({ to, word }: { to: string; word: Word }) {
  const here = path.value === to || (to === '/' && path.value.startsWith('/pushes/'))
  return (
    <a href={to} aria-current={here ? 'page' : undefined} class={'flex h-8 items-center rounded-md px-2.5 font-medium whitespace-nowrap ' + (here ? 'bg-raised text-ink' : 'text-soft hover:text-ink')}>
      {t(word)}
    </a>
  )
}

/** Link says whether what is shown is fresh. */
function Link() {
  const fresh = live.value && !stale.value
  const word: Word = fresh ? 'linkLive' : live.value ? 'linkStale' : live.value === undefined ? 'linkWait' : 'linkAway'
  return (
    <p role="status" class={'mr-2 flex items-center gap-1.5 text-xs font-medium whitespace-nowrap max-sm:mr-0 ' + (fresh ? 'text-good' : 'text-warn')}>
      <span class={'size-2 rounded-full bg-current ' + (fresh ? '' : 'pulse')} />
      <span class="max-sm:sr-only">{t(word)}</span>
    </p>
  )
}

const themeLooks: Record<Theme, { icon: IconName; word: Word }> = {
  auto: { icon: 'half', word: 'themeAuto' },
  light: { icon: 'sun', word: 'themeLight' },
  dark: { icon: 'moon', word: 'themeDark' },
}

function ThemeButton() {
  const { icon, word } = themeLooks[theme.value]
  const next = themes[(themes.indexOf(theme.value) + 1) % themes.length]!
  return <IconButton name={icon} label={t('theme', { theme: t(word) })} onClick={() => (theme.value = next)} />
}

interface IconButtonProps {
  name: IconName
  label: string
  title?: string
  onClick: () => void
}

function IconButton({ name, label, title, onClick }: IconButtonProps) {
  return (
    <button type="button" class="button plain small px-1.5" aria-label={label} title={title ?? label} onClick={onClick}>
      <Icon name={name} />
    </button>
  )
}
