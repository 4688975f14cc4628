import { expect } from 'chai';
import { startDashboard, type RunningDashboard } from '../support/dashboard.js';
import { useBrowser } from '../support/browser.js';
import { ChunkDriver, times, type Row } from '../support/chunks.js';
import { useDatabase } from '../support/database.js';
import { until } from '../support/detector.js';
import { FlakyLink } from '../support/flaky-link.js';

/** A module of the page. */
interface Axes {
  topOf(values: (number | null)[]): number;
}

const EVIL = '<script>alert(1)</script>';
const EVIL_CUSTOMER = '"><img src=x onerror=alert(2)>';

/** Two cheap transactions make a CHILD here, three women and four men a DEI-NEEDED. */
const firstRows: Row[] = [
  ...times(3, { customer: EVIL_CUSTOMER, merchant: EVIL, amount: 2.5 }),
  ...times(2, { customer: 'anna', merchant: 'bakery', amount: 4 }),
  ...['w1', 'w2', 'w3'].map((customer) => ({ customer, gender: 'F', merchant: 'garage', amount: 250 })),
  ...['m1', 'm2', 'm3', 'm4'].map((customer) => ({
    customer,
    gender: 'M',
    merchant: 'garage',
    amount: 1234.56,
  })),
];
/** With these the market passes its threshold, and its most frequent customer with the lowest weight fires UPGRADE. */
const secondRows: Row[] = [
  ...Array.from({ length: 11 }, (_value, place) =>
    times(place + 1, {
      customer: `c${String(place).padStart(2, '0')}`,
      merchant: 'market',
      amount: 100 + place,
    }),
  ).flat(),
];

/** Relative luminance of a color such as rgb(1, 2, 3), as WCAG 2 defines it. */
function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = (color.match(/\d+/g) ?? [])
    .map((part) => Number(part) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

describe('the dashboard in a browser', () => {
  const database = useDatabase('empty');
  const open = useBrowser();
  let link: FlakyLink;
  let dashboard: RunningDashboard;
  let driver: ChunkDriver;
  let url: string;

  before(async () => {
    const { client, config } = database();
    driver = await ChunkDriver.start(client);
    await driver.setThresholds('PatId1', { merchant_transactions_above: 60 });
    await driver.setThresholds('PatId2', { transactions_from: 2 });
    await driver.setThresholds('PatId3', { female_customers_above: 2 });
    await driver.loadWeights(
      Array.from({ length: 11 }, (_value, place) => ({
        customer: `c${String(place).padStart(2, '0')}`,
        merchant: 'market',
        weight: 20 - place,
      })),
    );
    await driver.apply(firstRows);
    await driver.apply(secondRows, { key: 'chunks/chunk-00000002.csv', batchRows: 2 });
    await driver.functions.quarantineChunk(
      driver.runId,
      { key: 'chunks/<b>3.csv', etag: 'x', size: 4321 },
      'the header has no column "amount"',
    );
    await client.query(
      `insert into bankpulse.rejected_rows values
         ('chunks/chunk-00000002.csv', 7, 'c1,F,<i>market</i>,NaN', 'bad amount');
       update bankpulse.chunks set rejected_count = 1 where object_key = 'chunks/chunk-00000002.csv';
       update bankpulse.pipeline_totals set rows_rejected = 1 where scope = 'all'`,
    );
    await driver.functions.recordListing(driver.runId, 4, new Date(Date.now() - 60_000), 3_600_000);
    await driver.functions.markBatchExported('1');
    link = await FlakyLink.open(config);
    dashboard = await startDashboard(link.config);
    url = dashboard.url!;
  });
  after(async () => {
    await dashboard?.close();
    await link?.close();
  });

  const at = (hash: string) => `${url}#/${hash}`;
  const digits = (text: string) => Number(text.replace(/[^\d.]/g, ''));
  async function one<Row extends object>(query: string): Promise<Row> {
    const { rows } = await database().client.query<Row>(query);
    return rows[0]!;
  }
  /** The text of a table's cells, row by row. */
  async function cells(page: Awaited<ReturnType<typeof open>>, caption: string): Promise<string[][]> {
    const table = page.getByRole('table', { name: caption, exact: true });
    await table.waitFor();
    const texts: string[][] = [];
    for (const row of await table.locator('tbody tr').all())
      texts.push((await row.locator('th, td').allInnerTexts()).map((text) => text.trim()));
    return texts;
  }

  it('shows at the top what the database has', async () => {
    const page = await open(url);
    await page.locator('[data-figure=lag]').waitFor();
    const figure = async (name: string) => digits(await page.locator(`[data-figure="${name}"]`).innerText());
    const expected = await one<Record<string, number>>(
      `select
         (select count(*) from bankpulse.chunks where status = 'applied')::int as "chunks-applied",
         (select count(*) from bankpulse.chunks)::int + 4 as "chunks-uploaded",
         4 as "chunks-pending",
         (select count(*) from bankpulse.chunks where status = 'quarantined')::int as "chunks-quarantined",
         (select sum(transaction_count) from bankpulse.customer_merchant_stats)::int as "rows-applied",
         (select count(*) from bankpulse.rejected_rows)::int as "rows-rejected",
         (select count(*) from bankpulse.detections)::int as detections,
         (select count(*) from bankpulse.detections where pattern_id = 'PatId1')::int as "PatId1",
         (select count(*) from bankpulse.detections where pattern_id = 'PatId2')::int as "PatId2",
         (select count(*) from bankpulse.detections where pattern_id = 'PatId3')::int as "PatId3",
         (select count(*) from bankpulse.detection_batches where exported_at is not null)::int as files`,
    );
    expect(expected).to.include({
      'chunks-applied': 2,
      'chunks-uploaded': 7,
      PatId1: 2,
      PatId3: 1,
      files: 1,
    });
    for (const [name, value] of Object.entries(expected)) expect(await figure(name), name).to.equal(value);
    expect(await figure('lag')).to.be.within(60, 120);
  });

  it('shows every detection with its reason, newest first, names as text', async () => {
    const page = await open(url);
    const reasons = page.locator('.detections .reason');
    await reasons.first().waitFor();
    const { rows } = await database().client.query<{ reason_text: string }>(
      'select reason_text from bankpulse.detection_reasons order by detection_id desc',
    );
    expect(await reasons.allInnerTexts()).to.deep.equal(rows.map(({ reason_text }) => reason_text));
    expect(rows.map(({ reason_text }) => reason_text).join()).to.contain(EVIL);
    expect(await page.locator('main script, main img').count()).to.equal(0);
    await page.getByRole('link', { name: EVIL, exact: true }).first().click();
    await page.getByRole('heading', { level: 1, name: `Merchant ${EVIL}` }).waitFor();
    expect(await page.locator('.facts dd').first().innerText()).to.equal('3');
    await page.getByRole('link', { name: EVIL_CUSTOMER, exact: true }).first().click();
    await page.getByRole('heading', { level: 1, name: `Customer ${EVIL_CUSTOMER}` }).waitFor();
    expect((await cells(page, 'This customer at merchants'))[0]).to.deep.equal([
      EVIL,
      '3',
      '0.0\u00a0%',
      '7.50',
      '2.50',
      '–',
      '–',
      'F',
    ]);
  });

  it('filters the feed by pattern and merchant', async () => {
    const page = await open(url);
    const about = page.locator('.detections .about');
    await about.first().waitFor();
    const all = await about.count();
    await page.getByLabel('Pattern').selectOption('PatId2');
    const { count } = await one<{ count: number }>(
      `select count(*)::int as count from bankpulse.detections where pattern_id = 'PatId2'`,
    );
    expect(count).to.be.within(1, all - 1);
    await until('the others are gone', async () => (await about.count()) === count);
    await page.getByLabel('Merchant').fill('bakery');
    await until('one is left', async () => (await about.count()) === 1);
    expect(await about.first().innerText())
      .to.contain('bakery')
      .and.contain('anna');
    await page.getByLabel('Merchant').fill('nowhere');
    await page.getByText('No detection matches.').waitFor();
  });

  it('shows merchants with the database’s figures, sorts and searches them', async () => {
    const page = await open(at('merchants'));
    const { rows } = await database().client.query<{ cells: string[] }>(
      `select array[
         merchant_id, sum(transaction_count)::text, count(*)::text,
         count(*) filter (where gender = 'F')::text, count(*) filter (where gender = 'M')::text,
         to_char(sum(total_amount) / sum(transaction_count), 'FM9,990.00'),
         (select count(*) from bankpulse.detections where detections.merchant_id = stats.merchant_id)::text
       ] as cells
       from bankpulse.customer_merchant_stats as stats
       group by merchant_id order by sum(transaction_count) desc, merchant_id`,
    );
    expect(await cells(page, 'Merchants')).to.deep.equal(rows.map((row) => row.cells));
    const names = async () => (await cells(page, 'Merchants')).map(([name]) => name);
    const header = page.getByRole('columnheader', { name: 'Average amount' });
    await header.getByRole('button').click();
    await until('it is sorted', async () => (await header.getAttribute('aria-sort')) === 'descending');
    await until('the dearest is first', async () => (await names())[0] === 'garage');
    await header.getByRole('button').click();
    await until('the cheapest is first', async () => (await names())[0] === EVIL);
    expect(await header.getAttribute('aria-sort')).to.equal('ascending');
    await page.getByRole('searchbox', { name: 'Search merchants' }).fill('MARK');
    await until('one is left', async () => (await names()).join() === 'market');
  });

  it('shows the merchants that are next to pass the threshold', async () => {
    const page = await open(at('merchants'));
    const { rows } = await database().client.query<{ cells: string[] }>(
      `select array[merchant_id, sum(transaction_count)::text, (61 - sum(transaction_count))::text] as cells
       from bankpulse.customer_merchant_stats
       group by merchant_id having sum(transaction_count) <= 60
       order by sum(transaction_count) desc, merchant_id limit 5`,
    );
    const near = await cells(page, 'Merchants that are next to pass the threshold');
    expect(near.map((row) => row.slice(0, 3))).to.deep.equal(rows.map((row) => row.cells));
    expect(near.map(([name]) => name))
      .to.include('garage')
      .and.not.include('market');
    await page.getByText('Upgrades begin above 60 transactions.').waitFor();
    const passing = async (merchant: string) => {
      await page.goto(at(`merchant/${merchant}`));
      const fact = page.locator('.facts > div').filter({ hasText: 'To pass 60' }).locator('dd');
      return (await fact.innerText()).trim();
    };
    expect(await passing('market')).to.equal('passed');
    expect(await passing('garage')).to.equal('54');
  });

  it('shows a merchant: who comes how often, where the top share begins, who has the lowest weights', async () => {
    const page = await open(at('merchant/market'));
    await page.getByRole('img', { name: /The top 10.% begin at 10: 2 customers/ }).waitFor();
    await page.getByText('As a table').click();
    const bars = await cells(page, 'Customers by their transactions');
    expect(bars).to.deep.equal(Array.from({ length: 11 }, (_value, place) => [String(place + 1), '1']));
    const weights = await cells(page, 'Customers with the lowest weights for this merchant');
    expect(weights).to.deep.equal([
      ['c10', '10.00', '0.0\u00a0%', '11', 'yes', 'chunk 2'],
      ['c09', '11.00', '10.0\u00a0%', '10', 'yes', 'chunk 2'],
    ]);
  });

  it('shows files with their rows, rejected rows and quarantined chunks', async () => {
    const page = await open(at('files'));
    const files = await cells(page, 'Detection files, newest first');
    expect(files.at(-1)!.slice(0, 2)).to.deep.equal(['1', '2']);
    await page.getByRole('link', { name: '1', exact: true }).click();
    const { rows } = await database().client.query<string[]>({
      text: 'select * from bankpulse.detection_file_rows where batch_no = 1 order by detection_id',
      rowMode: 'array',
    });
    expect(await cells(page, 'Rows, as they are written')).to.deep.equal(rows.map((row) => row.slice(2)));
    await page.getByRole('link', { name: 'Rejected' }).click();
    expect(await cells(page, 'Rejected rows')).to.deep.equal([
      ['chunk-00000002.csv', '7', 'bad amount', 'c1,F,<i>market</i>,NaN', '2'],
    ]);
    const [quarantined] = await cells(page, 'Quarantined chunks');
    expect(quarantined!.slice(0, 3)).to.deep.equal([
      'chunks/<b>3.csv',
      'the header has no column "amount"',
      '4 kB',
    ]);
  });

  it('moves as chunks come in, without being loaded again', async () => {
    const page = await open(url);
    const first = page.locator('.detections li').first();
    await first.waitFor();
    await page.evaluate('globalThis.isSame = true');
    const before = digits(await page.locator('[data-figure=chunks-applied]').innerText());
    await driver.apply(times(2, { customer: 'late', merchant: 'kiosk', amount: 1 }));
    await until('the feed has it', async () => (await first.innerText()).includes('Customer late'));
    expect(digits(await page.locator('[data-figure=chunks-applied]').innerText())).to.equal(before + 1);
    expect(await page.locator('.detections').getAttribute('aria-live')).to.equal('polite');
    await page.locator('.chart').first().getByText('As a table').click();
    expect((await cells(page, 'New detections by chunk'))[0]).to.deep.equal([
      String(before + 1),
      '0',
      '1',
      '0',
    ]);
    expect(await page.evaluate('globalThis.isSame')).to.be.true;
  });

  it('is used by keyboard', async () => {
    const page = await open(url, {}); // nothing has the focus yet
    await page.locator('[data-figure=lag]').waitFor();
    const focused = () => page.evaluate('document.activeElement.textContent.trim()');
    await page.keyboard.press('Tab');
    expect(await focused()).to.equal('Skip to content');
    for (const name of ['BankPulse', 'Overview', 'Merchants']) {
      await page.keyboard.press('Tab');
      expect(await focused()).to.equal(name);
    }
    const outline = await page.evaluate('getComputedStyle(document.activeElement).outlineStyle');
    expect(outline, 'the focus is seen').to.equal('solid');
    await page.keyboard.press('Enter');
    // the link that was followed has the same text
    await until(
      'the focus is at the heading of the new page',
      async () => (await page.evaluate('document.activeElement.tagName')) === 'H1',
    );
    expect(await focused()).to.equal('Merchants');
    expect(await page.title()).to.equal('Merchants · BankPulse');
    const header = page.getByRole('columnheader', { name: 'Women' });
    await header.getByRole('button').focus();
    await page.keyboard.press('Enter');
    await until('it is sorted', async () => (await header.getAttribute('aria-sort')) === 'descending');
  });

  it('is light or dark as the system is, or as one likes', async () => {
    const background = (page: Awaited<ReturnType<typeof open>>) =>
      page.evaluate('getComputedStyle(document.body).backgroundColor');
    const page = await open(url, { colorScheme: 'dark' });
    const darkColor = await background(page);
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await background(page)).not.to.equal(darkColor);
    const theme = page.getByRole('button', { name: 'Dark colors' });
    expect(await theme.getAttribute('aria-pressed')).to.equal('false');
    await theme.click();
    expect(await theme.getAttribute('aria-pressed')).to.equal('true');
    expect(await background(page)).to.equal(darkColor);
    await page.reload();
    expect(await background(page), 'it is remembered').to.equal(darkColor);
  });

  it('has text that can be read, light and dark', async () => {
    const pairs = [['warn', 'warn-page']];
    for (const name of ['text', 'muted', 'accent', 'warn', 'good'])
      for (const back of ['card', 'page']) pairs.push([name, back]);
    for (const place of [1, 2, 3, 4]) pairs.push(['on-series', `series-${place}`]);
    const page = await open(url, {});
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const names = [...new Set(pairs.flat())];
      const colors = await page.evaluate<string[]>(
        `${JSON.stringify(names)}.map((name) => {
           document.body.style.color = \`var(--\${name})\`;
           return getComputedStyle(document.body).color;
         })`,
      );
      const luminanceOf = (name: string) => luminance(colors[names.indexOf(name)]!);
      for (const [front, back] of pairs as [string, string][]) {
        const [less, more] = [luminanceOf(front), luminanceOf(back)].sort((a, b) => a - b);
        const ratio = (more! + 0.05) / (less! + 0.05);
        expect(ratio, `${front} on ${back}, ${colorScheme}`).to.be.at.least(4.5);
      }
    }
  });

  it('fits a phone: no page is wider than the screen', async () => {
    const page = await open(url, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    for (const place of [
      'overview',
      'merchants',
      'merchant/market',
      'customer/c10',
      'patterns',
      'files',
      'file/1',
      'problems',
    ]) {
      await page.goto(at(place));
      await page.locator('.card, .tiles').first().waitFor();
      const overhang = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect(overhang, place).to.be.at.most(0);
    }
    const why = page.getByRole('cell', { name: 'bad amount' });
    const { x, width } = (await why.boundingBox())!;
    expect(x + width, 'why a row was rejected is seen').to.be.at.most(360);
    await page.goto(at('merchants'));
    await page.getByText('Scroll sideways to see all columns').first().waitFor();
    await page.goto(at('merchant/market'));
    const tile = page.locator('.facts > div').last();
    const facts = page.locator('.facts');
    await tile.waitFor();
    const [right, all] = [await tile.boundingBox(), await facts.boundingBox()];
    expect(right!.x + right!.width, 'no blank tile').to.be.closeTo(all!.x + all!.width, 2);
  });

  it('shows beside each detection at a merchant, above its weights, whether it holds now', async () => {
    const page = await open(at('merchant/market'));
    await page.getByText('It holds now, with the same values.').first().waitFor();
    await page.locator('.facts').getByRole('link', { name: '2', exact: true }).click();
    expect(await page.evaluate('location.hash')).to.equal('#/merchant/market');
    const headings = await page.getByRole('heading', { level: 2 }).allInnerTexts();
    expect(headings.slice(0, 2)).to.deep.equal(['Detections', 'Customers by their transactions']);
    await database().client.query(
      `update bankpulse.customer_merchant_stats set total_amount = 1000 where merchant_id = $1`,
      [EVIL],
    );
    await page.goto(at(`merchant/${encodeURIComponent(EVIL)}`));
    await page.getByText('It does not hold any more.').waitFor();
  });

  it('has times in TIME_ZONE, with the zone beside', async () => {
    const { config } = database();
    const inKolkata = await startDashboard(config, { timeZone: 'Asia/Kolkata' });
    try {
      const page = await open(`${inKolkata.url}#/overview`, { timezoneId: 'America/New_York' });
      const time = page.locator('.detections time').first();
      await time.waitFor();
      const at = new Date((await time.getAttribute('datetime'))!);
      const clock = at.toLocaleTimeString('en-GB', { timeZone: 'Asia/Kolkata' });
      expect(await time.innerText()).to.equal(`${clock} GMT+5:30`);
    } finally {
      await inKolkata.close();
    }
  });

  it('lets a spike leave a chart instead of flattening the rest', async () => {
    const page = await open(url);
    const topOf = (values: (number | null)[]) =>
      page.evaluate(
        async ([module, numbers]) => ((await import(module as string)) as Axes).topOf(numbers as number[]),
        ['/parts/axes.js', values] as const,
      );
    expect(await topOf([200_000, 9000, 10_000, null, 12_000, 11_000])).to.equal(12_000);
    expect(await topOf([10, 20, 30])).to.equal(30);
    expect(await topOf([0, 0, 7])).to.equal(7);
    expect(await topOf([null])).to.equal(0);
  });

  it('says that the database is away, and goes on by itself when it is back', async () => {
    const page = await open(url);
    await page.locator('[data-figure=lag]').waitFor();
    link.cut();
    const banner = page.getByText('The database does not answer.');
    await banner.waitFor();
    expect(await page.locator('.state').innerText()).to.equal('Not connected');
    await driver.apply(times(2, { customer: 'patient', merchant: 'kiosk', amount: 1 }));
    link.mend();
    await page.getByText(/Customer patient/).waitFor();
    expect(await banner.count()).to.equal(0);
  });
});
