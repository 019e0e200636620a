// A browser that looks at the page of a running API, and what may never happen meanwhile: an error in the console, a request to another host.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

/** patience is how long something may take that has to happen, in ms: far more than it takes, for a machine that is busy. */
export const patience = 20_000

/** stage is what the test that runs this script has built: where the API is, its key, sources and what else the script needs. */
export const stage = JSON.parse(process.env.STAGE)

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** pushes asks the API as a program does. */
export async function api(method, path, body) {
  const headers = { Authorization: 'Bearer ' + stage.key, 'Content-Type': 'application/json' }
  const answer = await fetch(stage.url + path, { method, headers, body: body && JSON.stringify(body) })
  assert(answer.ok, `${method} ${path}: ${answer.status}`)
  return answer.json()
}

/** start starts a push; the API signs for it. */
export const start = async (source, roomId, userId, more = {}) =>
  (await api('POST', '/v1/pushes', { videoSrc: stage.files + source, sdkAppId: stage.app, roomId, userId, ...more })).id

/** until waits for what is no element of a page. */
export async function until(what, met) {
  for (const begun = Date.now(); !(await met()); await new Promise((done) => setTimeout(done, 50))) assert(Date.now() - begun < patience, what)
}

export const inState = (id, ...states) => until(`${id} is ${states}`, async () => states.includes((await api('GET', '/v1/pushes/' + id)).state))

/** watch notes what a context does that it may not. */
function watch(context) {
  const seen = { errors: [], hosts: new Set(), streams: 0 }
  context.on('console', (m) => {
    if (m.type() === 'error' || m.type() === 'warning') seen.errors.push(`${m.text()} (${m.location().url})`)
  })
  context.on('weberror', (e) => seen.errors.push(String(e.error().stack)))
  context.on('request', (r) => {
    seen.hosts.add(new URL(r.url()).host)
    if (new URL(r.url()).pathname === '/v1/events') seen.streams++
  })
  return seen
}

/** browse runs the steps in a browser, which ends with them; strict is whether the console has to stay empty. */
export async function browse(steps, { scale = 1, strict = true } = {}) {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium' })
  const context = await browser.newContext({ baseURL: stage.url, locale: 'en-GB', viewport: { width: 1280, height: 800 }, deviceScaleFactor: scale, colorScheme: 'light' })
  context.setDefaultTimeout(patience)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const seen = watch(context)
  const page = await context.newPage()
  try {
    await steps({ context, page, seen })
    if (strict) assert.deepEqual(seen.errors, [], 'errors in the console')
    assert.deepEqual([...seen.hosts], [new URL(stage.url).host], 'hosts that were asked')
  } catch (err) {
    for (const tab of context.pages()) console.error(`at ${tab.url()} the page says:\n${await tab.innerText('body').catch(String)}\n`)
    console.error(`errors: ${seen.errors.join('\n')}\n`)
    throw err
  } finally {
    await browser.close()
  }
}

/** step says what was done and how long it took. */
export async function step(name, act) {
  const begun = Date.now()
  const said = await act()
  console.log(`${String(Date.now() - begun).padStart(6)} ms  ${name}${said === undefined ? '' : ': ' + said}`)
}

/** complaint is an act after which one error stands in the console, and has to: a value that the server refuses. */
export async function complaint(seen, like, act) {
  assert.deepEqual(seen.errors, [], 'errors in the console')
  await act()
  await until(`an error like ${like}`, () => seen.errors.length > 0)
  const [error] = seen.errors.splice(0)
  assert.match(error, new RegExp(like))
}

export async function signIn(page, key = stage.key) {
  await page.getByLabel('API key').fill(key)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** accessible fails for what axe finds serious. */
export async function accessible(page) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
  const said = serious.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.failureSummary}`))
  assert.deepEqual(said, [], `axe, at ${page.url()}`)
}

/** fits fails when a page is wider than its window. */
export async function fits(page) {
  const [is, may] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert(is <= may, `${page.url()} is ${is} wide, in a window of ${may}`)
}

/** pictured waits until the preview shows a picture: one with more than a colour. */
export const pictured = (page) =>
  page.waitForFunction(() => {
    const canvas = document.querySelector('figure canvas')
    if (!canvas) return false
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true })
    copy.drawImage(canvas, 0, 0)
    return new Set(new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 16
  }, null, { polling: 50 })

/** copied is what a button puts into the clipboard. */
export async function copied(page, name) {
  await page.evaluate(() => navigator.clipboard.writeText(''))
  await page.getByRole('button', { name }).click()
  await until(`${name} copies`, () => page.evaluate(async () => (await navigator.clipboard.readText()) !== ''))
  return page.evaluate(() => navigator.clipboard.readText())
}
