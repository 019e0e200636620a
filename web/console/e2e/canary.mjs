// All that the page gets, keeps, shows and copies of two pushes, as JSON from place to text. Run by internal/e2e (canary_test.go), which looks for secrets in it.
import { browse, copied, pictured, signIn, stage } from './browser.mjs'

const places = {}

await browse(async ({ context, page }) => {
  const bodies = []
  context.on('response', (r) => {
    if (r.headers()['content-type'] === 'text/event-stream') return // ends with the page
    bodies.push(r.body().then((body) => (places['what the browser got of ' + r.url()] = JSON.stringify(r.headers()) + body.toString('latin1')), () => {}))
  })
  const look = async (name) => {
    places[name] = (await page.content()) + (await page.evaluate(() => JSON.stringify([
      document.title, document.cookie, { ...localStorage }, { ...sessionStorage }, [...document.querySelectorAll('input, textarea')].map((field) => field.value),
    ])))
  }
  await page.goto('/')
  await signIn(page)
  await page.getByRole('row').nth(2).waitFor()
  await look('the list in a browser')
  for (const [name, id] of Object.entries(stage.pushes)) {
    await page.goto('/pushes/' + id)
    await page.getByRole('heading', { name: 'What happened' }).waitFor()
    if (name === 'running') await pictured(page)
    await look(`the ${name} push in a browser`)
    places[`the report of the ${name} push`] = await copied(page, 'Copy report')
    places[`the ${name} push as curl`] = await copied(page, 'Copy as curl')
    await page.goto('/new?from=' + id)
    await page.getByText('A push does not show its secrets.').waitFor()
    await page.getByRole('status').filter({ hasText: /fields? needs?|can be started/ }).waitFor()
    await look(`the form of the ${name} push again`)
  }
  await page.goto('/workers')
  await page.getByRole('table').waitFor()
  await look('the workers in a browser')
  await Promise.all(bodies)
}, { strict: false })

process.stdout.write(JSON.stringify(places))
