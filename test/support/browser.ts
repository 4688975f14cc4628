import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** The Chromium at CHROMIUM_PATH, or on PATH under one of its names, the cheapest first; undefined if there is none. */
function findChromium(): string | undefined {
  const { CHROMIUM_PATH: given, PATH = '' } = process.env;
  const names = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
  const candidates = given
    ? [given]
    : PATH.split(delimiter).flatMap((dir) => names.map((name) => join(dir, name)));
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * What Chromium does beside the page. The popups of its address bar, which are pages of their own, take a second of
 * processor time in each context. The others are those of playwright's own list that matter here, which this one replaces.
 */
const NO_EXTRAS = `--disable-features=${[
  ...['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'WebUIOmniboxFullPopup'],
  ...[
    'AvoidUnnecessaryBeforeUnloadCheckSync',
    'DestroyProfileOnBrowserClose',
    'HttpsUpgrades',
    'PaintHolding',
  ],
  ...['OptimizationHints', 'MediaRouter'],
].join()}`;

export interface WatchedPage extends Page {
  /** What it said on the console as an error, threw, or asked of anybody but the dashboard. */
  faults: string[];
}

/**
 * Chromium finds no other host. Routes of playwright would keep requests back, too, but each of the 40 modules of a page
 * would take its way through this process.
 */
const NO_OTHER_HOSTS = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';

/**
 * A real Chromium for the suite it is called in, which is skipped where there is none. What a page does that it must
 * not, is noted, and fails the test it happens in: errors on its console, dialogs, requests to other hosts (which are
 * not let through).
 *
 * A second of processor time goes into loading a page. So tests that ask for a page without options of its own share one,
 * which goes by another of the dashboard's pages to the one that is asked for: what was typed or chosen before is gone.
 */
export function useBrowser(): (url: string, options?: BrowserContextOptions) => Promise<WatchedPage> {
  let browser: Browser | undefined;
  let pages: WatchedPage[] = [];
  let shared: WatchedPage | undefined;
  before(async function () {
    const executablePath = findChromium();
    if (executablePath === undefined) {
      process.stderr.write('no Chromium on PATH or at CHROMIUM_PATH: the tests in a browser are skipped\n');
      return this.skip();
    }
    this.timeout(60_000);
    // root has no sandbox
    const args = [NO_EXTRAS, NO_OTHER_HOSTS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
    browser = await chromium.launch({ executablePath, args });
  });
  after(() => browser?.close());
  afterEach(async function () {
    const faults = pages.flatMap((page) => page.faults.splice(0));
    if (faults.length > 0 || this.currentTest?.state === 'failed') shared = undefined;
    for (const page of pages) if (page !== shared) await page.context().close();
    pages = [];
    if (faults.length > 0) throw new Error(`the page did what it must not: ${faults.join('; ')}`);
  });

  return async (url, options) => {
    const { origin } = new URL(url);
    if (!options && shared && new URL(shared.url()).origin === origin) {
      pages.push(shared);
      await shared.goto(`${origin}/#/none`);
      await shared.getByText('There is no such page.').waitFor();
      await shared.goto(url);
      return shared;
    }
    const context = await browser!.newContext(options);
    const faults: string[] = [];
    const page = Object.assign(await context.newPage(), { faults });
    pages.push(page);
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) faults.push(`it asked for ${request.url()}`);
    });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) faults.push(`on its console: ${message.text()}`);
    });
    page.on('pageerror', (error) => faults.push(`it threw ${error.message}`));
    page.on('dialog', (dialog) => {
      faults.push(`it opened a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(url);
    if (!options) shared = page;
    return page;
  };
}
