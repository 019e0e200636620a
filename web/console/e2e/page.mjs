// The page against a running Roomcast, as somebody uses it. Run by internal/e2e (page_test.go).
import assert from 'node:assert/strict'
import { accessible, api, browse, complaint, copied, fits, inState, pictured, signIn, stage, start, step, until } from './browser.mjs'

/** hops is how many processes stand between the page and the picture: a busy machine lets each wait as long as this one. */
const hops = 4

/** noise measures how late a timer of this process fires; what it returns ends that and tells the worst, in ms. */
function noise() {
  let worst = 0
  let last = Date.now()
  const timer = setInterval(() => {
    worst = Math.max(worst, Date.now() - last - 10)
    last = Date.now()
  }, 10)
  return () => {
    clearInterval(timer)
    return worst
  }
}
const tabs = 8

const rowOf = (page, room) => page.getByRole('row').filter({ has: page.getByRole('link', { name: room, exact: true }) })
const field = (page, name) => page.getByRole('textbox', { name, exact: true })
const heading = (page, name) => page.getByRole('heading', { name })

await browse(async ({ context, page, seen }) => {
  await step('a wrong key is told, the right one opens the page', async () => {
    await page.goto('/')
    await heading(page, 'Sign in').waitFor()
    await accessible(page)
    await complaint(seen, 'status of 401 .*/v1/session', () => signIn(page, 'wrong'))
    await page.getByText('This key is not known.').waitFor()
    await signIn(page)
    await page.getByText('No pushes yet').waitFor()
    await page.getByText('Live', { exact: true }).waitFor()
    const [cookie] = await context.cookies()
    assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ['roomcast_session', true, 'Strict'])
    await accessible(page)
  })

  let byForm
  await step('the form says what is wrong, and starts what is right', async () => {
    await page.getByRole('link', { name: 'New push' }).first().click()
    await page.getByRole('button', { name: 'Start push' }).click()
    assert.equal(await page.getByText('This is required.').count(), 4)
    await field(page, 'Source').fill(stage.files + '/clip.mp4')
    await field(page, 'Application').fill(String(stage.app))
    await field(page, 'UserSig').fill(stage.userSig)
    await page.getByText(`Of ${stage.user}, application ${stage.app}, until`).waitFor()
    await field(page, 'User').fill(stage.user)
    await complaint(seen, 'status of 400 .*/v1/pushes\\?dryRun=true', async () => {
      await field(page, 'Room').fill('class 1')
      await page.locator('[name=roomId][aria-invalid=true]').waitFor()
    })
    await page.getByText('1 field needs another value.').waitFor()
    await accessible(page)
    await field(page, 'Room').fill('class_1')
    await page.getByText('This can be started.').waitFor()
    await page.getByRole('button', { name: 'Look at the source' }).click()
    await heading(page, 'What would be done').waitFor()
    await accessible(page)
    await page.getByRole('button', { name: 'Start push' }).click()
    await heading(page, 'class_1').waitFor()
    byForm = page.url().split('/').at(-1)
  })

  await step('it moves', async () => {
    await page.getByText('Publishing', { exact: true }).first().waitFor()
    const bar = page.getByRole('progressbar')
    await bar.waitFor()
    const first = await bar.getAttribute('value')
    await until('it moves', async () => Number(await bar.getAttribute('value')) > Number(first) + 1500)
    await pictured(page)
    await accessible(page)
  })

  await step('the first picture of a push that nobody has looked at', async () => {
    const id = await start('/clip.mp4', 'unseen', 'unseen')
    await inState(id, 'publishing')
    await page.goto('/pushes/' + id)
    const opened = Date.now()
    const stood = noise()
    await pictured(page)
    const took = Date.now() - opened
    assert(took <= stage.pictureWithin + hops * stood(), `the first picture came after ${took} ms`)
    return `after ${took} ms`
  })

  await step('a source that refuses is explained', async () => {
    const id = await start('/forbidden.mp4', 'refused', 'refused')
    await page.goto('/')
    const row = rowOf(page, 'refused')
    await row.getByText('Failed').waitFor()
    await row.getByText('403').waitFor()
    await page.getByRole('link', { name: /^Failed/ }).click()
    await page.getByRole('row').nth(1).waitFor() // what a row is filtered by follows its state within 250 ms
    assert.equal(await page.getByRole('row').count(), 2)
    await page.getByRole('link', { name: 'refused' }).click()
    await page.getByText('It failed').waitFor()
    await page.getByText('source_unauthorized').first().waitFor()
    await accessible(page)
    await page.getByRole('link', { name: 'Start again' }).click()
    await page.getByText('A push does not show its secrets.').waitFor()
    assert.equal(await page.locator('[name=videoSrc]').inputValue(), stage.files + '/forbidden.mp4')
    await page.getByText('409').or(page.getByText('This can be started.')).first().waitFor()
    await inState(id, 'failed')
  })

  await step('a source that is away stands first, and comes back', async () => {
    await fetch(stage.files + '/leave', { method: 'POST' })
    const id = await start('/away.mp4', 'patient', 'patient')
    await page.goto('/')
    const row = rowOf(page, 'patient')
    await row.getByText(/^for \d/).first().waitFor()
    assert.match(await page.getByRole('row').nth(1).innerText(), /patient/, 'trouble stands first')
    await page.getByRole('link', { name: /^In trouble\s*1/ }).waitFor()
    await page.goto('/pushes/' + id)
    await page.getByText('Trouble with the source').waitFor()
    await accessible(page)
    await fetch(stage.files + '/return', { method: 'POST' })
    await page.getByText('Publishing', { exact: true }).first().waitFor()
    await page.getByText('Trouble with the source').waitFor({ state: 'detached' })
    await page.getByText('Recovered').first().waitFor()
  })

  await step('what is copied', async () => {
    await page.goto('/pushes/' + byForm)
    await heading(page, 'class_1').waitFor()
    const report = JSON.parse(await copied(page, 'Copy report'))
    assert.equal(report.push.id, byForm)
    assert(report.events.length > 1)
    const curl = await copied(page, 'Copy as curl')
    assert.match(curl, /"roomId": "class_1"/)
    assert(curl.includes('Bearer <API key>') && curl.includes('<userSig>'))
  })

  await step('a push stops at the second click, from its row, also when that moves', async () => {
    await page.goto('/')
    const row = rowOf(page, 'unseen')
    await rowOf(page, 'refused').waitFor()
    await fetch(stage.files + '/leave', { method: 'POST' })
    const ids = await Promise.all(['mover_1', 'mover_2'].map((name) => start('/away.mp4', name, name)))
    for (const name of ['mover_1', 'mover_2']) await rowOf(page, name).getByText(/^for \d/).first().waitFor()
    const stop = row.getByRole('button', { name: 'Stop unseen unseen' })
    await stop.click()
    await row.getByRole('button', { name: 'Really stop?' }).waitFor()
    const asked = Date.now()
    await Promise.all(ids.map((id) => api('DELETE', '/v1/pushes/' + id)))
    await rowOf(page, 'mover_2').getByText('Stopped').waitFor()
    await fetch(stage.files + '/return', { method: 'POST' })
    await row.getByText('Publishing').waitFor()
    if (Date.now() - asked > 2500) await stop.click() // it waits for 4 s: on a busy machine they may be over
    await row.getByRole('button', { name: 'Really stop?' }).click()
    await row.getByText('Stopped').waitFor()
  })

  await step('several stop at once', async () => {
    const ids = await Promise.all([start('/clip.mp4', 'many_1', 'many_1'), start('/clip.mp4', 'many_2', 'many_2')])
    for (const room of ['many_1', 'many_2']) await rowOf(page, room).getByRole('checkbox').check()
    await accessible(page)
    await page.getByRole('button', { name: 'Stop 2' }).click()
    await page.getByRole('button', { name: 'Really stop 2?' }).click()
    for (const room of ['many_1', 'many_2']) await rowOf(page, room).getByText('Stopped').waitFor()
    for (const id of ids) await inState(id, 'stopped')
  })

  await step('search, filters and keys', async () => {
    await page.keyboard.press('/')
    await page.keyboard.type('PATIENT')
    await until('one row', async () => (await page.getByRole('row').count()) === 2)
    assert.match(page.url(), /q=PATIENT/)
    await page.keyboard.press('Escape')
    await page.getByRole('grid').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/pushes\//)
    await page.goBack()
    await page.getByRole('grid').waitFor()
  })

  await step('the workers', async () => {
    await page.getByRole('link', { name: 'Workers' }).click()
    await page.getByText('takes new pushes').waitFor()
    await page.getByRole('link', { name: '2 pushes' }).waitFor()
    await page.getByRole('cell', { name: /^0\.\d+ of \d+\.\d+ cores/ }).waitFor()
    await accessible(page)
  })

  await step('the monitor opens by the same session, and asks before it stops', async () => {
    const [monitor] = await Promise.all([context.waitForEvent('page'), page.getByRole('link', { name: 'Queue' }).click()])
    await monitor.goto('/monitor/queues/push?status=active')
    const asked = []
    let answer = false
    monitor.on('dialog', (d) => {
      asked.push(d.message())
      return answer ? d.accept() : d.dismiss()
    })
    const row = monitor.getByRole('row').filter({ hasText: 'class_1' })
    const cancel = async (n) => {
      const cell = row.getByRole('cell').last() // its button comes with the pointer
      await cell.hover()
      await cell.getByTitle('Cancel').or(cell.getByRole('button')).first().click()
      await until('it asks', () => asked.length === n)
    }
    await row.waitFor()
    await complaint(seen, 'cancelActiveTaskAsync', () => cancel(1)) // asynqmon's own, of a request that was not sent
    assert.match(asked[0], /Stop this push for good\?/)
    assert.equal((await api('GET', '/v1/pushes/' + byForm)).desired, 'run')
    answer = true
    await cancel(2)
    await inState(byForm, 'stopped')
    await monitor.close()
  })

  const views = ['/', '/new', '/workers', '/pushes/' + byForm]
  await step('in Chinese, in the dark, on a phone', async () => {
    await page.getByRole('button', { name: '中文' }).click()
    await page.getByRole('button', { name: '主题：跟随系统' }).click()
    await page.getByRole('button', { name: '主题：浅色' }).click()
    await page.setViewportSize({ width: 390, height: 844 })
    for (const view of views) {
      await page.goto(view)
      await page.getByText('实时').waitFor()
      assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN')
      assert.match(await page.innerText('main'), /\p{Script=Han}/u)
      assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark')
      await accessible(page)
      await fits(page)
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    for (const view of views) {
      await page.goto(view)
      await page.getByText('实时').waitFor()
      await accessible(page)
      await fits(page)
    }
    await page.getByRole('button', { name: 'English' }).click()
    await page.getByText('Live', { exact: true }).waitFor()
  })

  await step(`${tabs} tabs share a stream, and go on when the one that listens closes`, async () => {
    await page.goto('about:blank')
    const before = seen.streams
    const all = []
    for (let i = 0; i < tabs; i++) {
      all.push(await context.newPage())
      await all[i].goto('/')
      await rowOf(all[i], 'patient').getByText('Publishing').waitFor()
      await all[i].getByText('Live', { exact: true }).waitFor()
    }
    assert.equal(seen.streams - before, 1, 'connections')
    await all[0].close()
    await until('another tab listens', () => seen.streams - before === 2)
    const id = await start('/clip.mp4', 'shared', 'shared')
    for (const tab of all.slice(1)) await rowOf(tab, 'shared').getByText('Publishing').waitFor()
    await api('DELETE', '/v1/pushes/' + id)
    await all[1].getByRole('button', { name: 'Sign out' }).click()
    for (const tab of all.slice(1)) await heading(tab, 'Sign in').waitFor()
  })
})
