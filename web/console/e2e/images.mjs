// The pictures of the page in docs/images: make images. Run by internal/e2e (page_test.go), which has set the stage.
import { browse, patience, pictured, signIn, stage, step, until } from './browser.mjs'

await browse(async ({ page }) => {
  const shot = (name, size = {}) => step(name, async () => {
    await page.setViewportSize({ width: 1280, height: 800, ...size })
    await page.mouse.move(0, 0)
    await page.evaluate(() => document.fonts.ready)
    await page.waitForTimeout(500) // charts follow their width
    await page.screenshot({ path: `${stage.images}/${name}.png` })
  })
  const list = async () => {
    await page.goto('/')
    await until('the list', async () => (await page.getByRole('row').count()) > 10)
  }
  await page.goto('/')
  await signIn(page)
  await list()
  await shot('list', { height: 720 })

  await page.goto('/pushes/' + stage.push)
  await pictured(page)
  await page.locator('.u-over').nth(3).waitFor()
  await shot('push', { height: 860 })

  await page.goto('/new')
  const fill = (name, value) => page.locator(`[name=${name}]`).fill(value)
  await fill('videoSrc', stage.files + '/lesson_4.mp4')
  await fill('sdkAppId', String(stage.app))
  await fill('roomId', 'class_4')
  await fill('userSig', stage.userSig)
  await fill('userId', stage.user)
  await page.getByText('This can be started.').waitFor()
  await page.locator('[name=userSig]').evaluate((field) => (field.scrollTop = 0))
  await page.getByRole('button', { name: 'Look at the source' }).click()
  await page.getByRole('heading', { name: 'What would be done' }).waitFor({ timeout: patience })
  await shot('new', { height: 620 })

  await page.goto('/workers')
  await page.getByRole('table').waitFor()
  await shot('workers', { height: 330 })

  await list()
  await shot('phone', { width: 390, height: 844 })

  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto('/pushes/' + stage.troubled)
  await page.locator('.u-over').nth(3).waitFor()
  await shot('dark', { height: 860 })

  await page.emulateMedia({ colorScheme: 'light' })
  await list()
  await page.getByRole('button', { name: '中文' }).click()
  await shot('chinese', { height: 720 })
}, { scale: 1.5 })
