import { expect } from 'chai';
import type { Locator } from 'playwright-core';
import type { Pattern } from '../../src/dashboard/payloads.js';
import { useBrowser, type WatchedPage } from '../support/browser.js';
import { ChunkDriver, times, type Row } from '../support/chunks.js';
import { EventStream, startDashboard, type RunningDashboard } from '../support/dashboard.js';
import { useDatabase } from '../support/database.js';
import { until } from '../support/detector.js';
import { installTestPatterns } from '../support/patterns.js';

const QUOTED_MERCHANT = "anna's <i>shop</i>";

/** Some big spenders, one who is near, a merchant that is near to depend on one customer, and customers who buy little. */
const rows: Row[] = [
  { customer: 'rich', merchant: 'jeweller', amount: 700 },
  { customer: 'almost', merchant: 'jeweller', amount: 460 },
  { customer: 'less', merchant: 'jeweller', amount: 250 },
  { customer: 'less', merchant: QUOTED_MERCHANT, amount: 240 },
  ...times(9, { customer: 'loyal', merchant: 'baker', amount: 2 }),
  ...times(4, { customer: 'child', merchant: 'kiosk', amount: 1 }),
  ...times(3, { customer: 'smaller', merchant: 'kiosk', amount: 1 }),
];

describe('the page Patterns', () => {
  const database = useDatabase('empty');
  const open = useBrowser();
  let dashboard: RunningDashboard;
  let driver: ChunkDriver;

  before(async () => {
    const { client, config } = database();
    await installTestPatterns(client);
    driver = await ChunkDriver.start(client);
    await driver.setThresholds('PatId2', { transactions_from: 4 });
    await driver.apply(rows);
    dashboard = await startDashboard(config);
  });
  after(() => dashboard?.close());

  const at = (hash: string) => `${dashboard.url}#/${hash}`;
  const sectionOf = (page: WatchedPage, pattern: string) =>
    page.getByRole('region', { name: new RegExp(`\\b${pattern}$`) });
  const field = (section: Locator, label: string) => section.getByRole('textbox', { name: label });
  const changes = (section: Locator) => section.getByRole('status').filter({ hasText: 'Of what holds now' });
  const answered = async (section: Locator) =>
    (await changes(section).innerText()).replace(/\s+/g, ' ').trim();

  async function texts(query: string, values: unknown[] = []): Promise<string[][]> {
    const { rows } = await database().client.query<(string | null)[]>({
      text: query,
      values,
      rowMode: 'array',
    });
    return rows.map((row) => row.map(String));
  }
  async function cells(place: Locator | WatchedPage, caption: string): Promise<string[][]> {
    const table = place.getByRole('table', { name: caption, exact: true });
    await table.waitFor();
    const found: string[][] = [];
    for (const row of await table.locator('tbody tr').all())
      found.push((await row.locator('th, td').allInnerTexts()).map((text) => text.trim()));
    return found;
  }
  /** The thresholds of each what-if that the page asks for. */
  function watchWhatIf(page: WatchedPage): string[] {
    const asked: string[] = [];
    page.on('request', (request) => {
      const { pathname, searchParams } = new URL(request.url());
      if (pathname === '/api/what-if') asked.push(searchParams.get('thresholds') ?? '');
    });
    return asked;
  }
  /** What the page must say after a change of a threshold, by what_if. */
  async function expectedChanges(pattern: string, thresholds: object) {
    const rows = await texts(
      `select change, merchant_id, customer_id from bankpulse.what_if($1, $2) order by 1, 2, 3`,
      [pattern, JSON.stringify(thresholds)],
    );
    const count = (wanted: string) => rows.filter(([change]) => change === wanted).length;
    return {
      sentence: `Of what holds now, ${count('added')} would be added, ${count('removed')} removed, ${count('kept')} kept.`,
      rows: rows.filter(([change]) => change !== 'kept'),
    };
  }

  it('shows each pattern: sentence, thresholds, detections, near misses', async () => {
    const page = await open(at('patterns'));
    const { rows: patterns } = await database().client.query<{
      pattern_id: string;
      action_type: string;
      description: string;
      reason_template: string;
      count: string;
    }>(
      `select pattern_id, action_type, description, reason_template,
         (select count(*) from bankpulse.detections where detections.pattern_id = patterns.pattern_id) as count
       from bankpulse.patterns order by pattern_id`,
    );
    expect(patterns.map(({ pattern_id, count }) => [pattern_id, count])).to.deep.equal([
      ['PatId1', '0'],
      ['PatId2', '2'],
      ['PatId3', '0'],
      ['PatId4', '1'],
      ['PatId5', '0'],
    ]);
    for (const { pattern_id, action_type, description, reason_template, count } of patterns) {
      const section = sectionOf(page, pattern_id);
      await section.getByRole('heading', { level: 2, name: `${action_type} ${pattern_id}` }).waitFor();
      expect(await section.innerText())
        .to.contain(description)
        .and.contain(`“${reason_template}”`);
      const facts = await section.locator('.facts > div').allInnerTexts();
      expect(facts.map((fact) => fact.split('\n')).slice(0, 2)).to.deep.equal([
        ['Enabled', 'yes'],
        ['Detections', count],
      ]);
    }
    const thresholds = await sectionOf(page, 'PatId5').locator('.facts > div').allInnerTexts();
    expect(
      thresholds
        .slice(2)
        .map((fact) => fact.split('\n'))
        .sort(),
    ).to.deep.equal([
      ['largest share at least', '0.5'],
      ['merchant transactions at least', '10'],
    ]);
    for (const [pattern, action] of [
      ['PatId4', 'THANK'],
      ['PatId5', 'DIVERSIFY'],
    ] as const) {
      const near = await texts(
        `select merchant_id, coalesce(nullif(customer_id, ''), '–'), missing_text
         from bankpulse.near_matches where pattern_id = $1 order by merchant_id, customer_id`,
        [pattern],
      );
      expect(near).to.have.length(1);
      const section = sectionOf(page, pattern);
      expect(await cells(section, `Near misses of ${action}`)).to.deep.equal(near);
      expect(await section.getByText('would be detected if each threshold').innerText()).to.equal(
        '1 would be detected if each threshold were 10 % easier to meet.',
      );
    }
    await sectionOf(page, 'PatId3').getByText('Nothing is near.').waitFor();
  });

  it('needs no part for a pattern that the project has not', async () => {
    const stream = new EventStream(dashboard.port);
    try {
      await until('it has come', () => Promise.resolve(stream.sections.has('patterns')));
      const parts = stream.section<Pattern[]>('patterns')!.map(({ pattern_id, part }) => [pattern_id, part]);
      expect(parts).to.deep.include(['PatId1', 'upgrade']);
      expect(parts).to.deep.include(['PatId4', null]);
      expect(parts).to.deep.include(['PatId5', null]);
    } finally {
      stream.close();
    }
  });

  it('asks what other thresholds would change when the typing pauses, and only then', async () => {
    const page = await open(at('patterns'));
    const asked = watchWhatIf(page);
    const section = sectionOf(page, 'PatId4');
    await section.getByText('Change a threshold').waitFor();
    const expected = await expectedChanges('PatId4', { total_amount_from: 245 });
    expect(expected.rows).to.have.length(2);
    const amount = field(section, 'total amount at least');
    await amount.selectText();
    await amount.pressSequentially('245', { delay: 30 });
    await changes(section).waitFor();
    expect(asked).to.deep.equal(['{"total_amount_from":245}']);
    expect(await answered(section)).to.equal(expected.sentence);
    const shown = await cells(section, 'What other thresholds of THANK would change');
    expect(shown.map((row) => row.slice(0, 3))).to.deep.equal(expected.rows);
    expect(shown.map((row) => row[3])).to.deep.equal([
      'Customer almost has paid jeweller 460 in all.',
      'Customer less has paid jeweller 250 in all.',
    ]);

    await amount.fill('5e3');
    const fewer = await expectedChanges('PatId4', { total_amount_from: 5000 });
    await until('it is answered', async () => (await answered(section)) === fewer.sentence);
    expect(fewer.rows).to.deep.equal([['removed', 'jeweller', 'rich']]);
    await section.getByRole('button', { name: 'Reset' }).click();
    await section.getByText('Change a threshold').waitFor();
    expect(await amount.inputValue()).to.equal('500');
    expect(await changes(section).count()).to.equal(0);
  });

  it('says beside the field that it has no number, and does not ask', async () => {
    const page = await open(at('patterns'));
    const asked = watchWhatIf(page);
    const section = sectionOf(page, 'PatId5');
    const share = field(section, 'largest share at least');
    for (const wrong of ['much', '', '1,5', '0x10', 'Infinity', '1e999']) {
      await share.fill(wrong);
      expect(await share.getAttribute('aria-invalid'), wrong).to.equal('true');
      const fault = page.locator(`[id="${await share.getAttribute('aria-describedby')}"]`);
      expect(await fault.innerText(), wrong).to.equal('A number, such as 60 or 0.25');
      // longer than the pause after which a number is sent
      await page.waitForTimeout(700);
    }
    expect(asked).to.deep.equal([]);
    expect(await section.locator('.copyable').count()).to.equal(0);
    await share.fill('0.25');
    await changes(section).waitFor();
    expect(await share.getAttribute('aria-invalid')).to.equal('false');
    expect(asked).to.deep.equal(['{"largest_share_from":0.25}']);
  });

  it('is used by keyboard, with labels for every field', async () => {
    const page = await open(at('patterns'));
    const section = sectionOf(page, 'PatId4');
    await section.getByText('Change a threshold').waitFor();
    const labels = await page.locator('form label').allInnerTexts();
    expect(await page.locator('form input').count()).to.equal(labels.length);
    expect(labels.map((label) => label.trim())).to.include.members([
      'transactions at least',
      'female customers more than',
      'total amount at least',
    ]);
    const form = () => page.evaluate('document.activeElement.form?.getAttribute("aria-label")');
    await page.getByRole('heading', { level: 1 }).focus();
    for (let tabs = 0; (await form()) !== 'Thresholds of THANK'; tabs++) {
      expect(tabs, 'tabs to the form').to.be.below(100);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Control+A');
    await page.keyboard.type('455');
    await changes(section).waitFor();
    expect(await answered(section)).to.equal(
      (await expectedChanges('PatId4', { total_amount_from: 455 })).sentence,
    );
    for (const name of ['Reset', 'What other thresholds of THANK would change'])
      await page.keyboard
        .press('Tab')
        .then(async () =>
          expect(
            await page.evaluate(
              'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent',
            ),
          ).to.equal(name),
        );
  });

  it('fits a phone: the pages in one line at the top, the answers within the screen', async () => {
    const page = await open(at('patterns'), { viewport: { width: 390, height: 800 }, isMobile: true });
    const section = sectionOf(page, 'PatId4');
    await field(section, 'total amount at least').fill('100');
    await changes(section).waitFor();
    const overhang = () => page.evaluate('document.documentElement.scrollWidth - innerWidth');
    expect(await overhang()).to.be.at.most(0);
    const tops: (number | undefined)[] = [];
    for (const link of await page.locator('nav a').all()) tops.push((await link.boundingBox())?.y);
    expect(tops).to.have.length(5);
    expect(new Set(tops).size, 'lines of the navigation').to.equal(1);
    await page.goto(at('customer/less'));
    const met = page.getByRole('columnheader', { name: 'Met' });
    await met.waitFor();
    const box = (await met.boundingBox())!;
    expect(box.x + box.width).to.be.at.most(390);
    expect(await overhang()).to.be.at.most(0);
  });

  it('explains at a customer each condition of each pattern, at the merchant that is chosen', async () => {
    const page = await open(at('customer/less'));
    const figure = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });
    const expected = async (merchant: string) => {
      const rows = await texts(
        `select pattern_id,
           case is_met when true then '✓ yes' when false then '✗ no' else 'unknown' end,
           threshold, value, coalesce('chunk ' || detected_in_chunk, '–'), condition
         from bankpulse.explain_pair($1, 'less')`,
        [merchant],
      );
      const shown = (text: string | undefined, condition: string | undefined) => {
        if (text === 'null') return '–';
        const isShare = condition?.includes('percent_rank');
        return isShare ? `${figure.format(100 * Number(text))}\u00a0%` : figure.format(Number(text));
      };
      return rows.map(([id, met, threshold, value, chunk, condition]) => [
        id,
        met,
        shown(threshold, condition),
        shown(value, condition),
        chunk,
      ]);
    };
    const shown = async (merchant: string) =>
      (await cells(page, `Each condition for this customer at ${merchant}`)).map(
        ([id, met, _condition, ...rest]) => [id, met, ...rest],
      );
    for (const merchant of ['jeweller', QUOTED_MERCHANT]) {
      await page.getByRole('combobox').selectOption(merchant);
      const rows = await shown(merchant);
      expect(rows, merchant).to.deep.equal(await expected(merchant));
      expect(rows).to.deep.include(['PatId4', '✗ no', '500', merchant === 'jeweller' ? '250' : '240', '–']);
    }
    await page.goto(at('customer/rich'));
    const conditions = await cells(page, 'Each condition for this customer at jeweller');
    expect(conditions).to.deep.include(['PatId4', '✓ yes', 'total amount at least', '500', '700', 'chunk 1']);
  });

  it('shows the thresholds that a detection was judged by', async () => {
    const page = await open(at('customer/child'));
    const detection = page.locator('.detections li').filter({ hasText: 'PatId2' });
    const judged = detection.locator('.judged');
    await judged.getByText('Thresholds').click();
    expect(await judged.innerText()).to.contain('transactions at least 4');
  });

  // last, since they detect more
  for (const [pattern, name, label, value] of [
    ['PatId4', 'total_amount_from', 'total amount at least', 245],
    ['PatId2', 'transactions_from', 'transactions at least', 3],
  ] as const)
    it(`gives the statement that makes ${pattern} detect what it has shown`, async () => {
      const page = await open(at('patterns'));
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      const section = sectionOf(page, pattern);
      await field(section, label).fill(String(value));
      await changes(section).waitFor();
      const added = (await expectedChanges(pattern, { [name]: value })).rows.map(([, ...pair]) => pair);
      expect(added).to.have.length.above(0);
      const action = pattern === 'PatId4' ? 'THANK' : 'CHILD';
      const shown = await cells(section, `What other thresholds of ${action} would change`);
      expect(shown.map((row) => row.slice(0, 3))).to.deep.equal(added.map((pair) => ['added', ...pair]));

      const place = section.locator('.copyable').filter({ hasText: 'update bankpulse.patterns' });
      const statement = await place.locator('code').innerText();
      await place.getByRole('button', { name: 'Copy the update statement' }).click();
      await place.getByRole('status').filter({ hasText: 'Copied.' }).waitFor();
      expect(await page.evaluate('navigator.clipboard.readText()')).to.equal(statement);
      expect(await section.locator('.copyable code').last().innerText()).to.equal(
        `npm run backtest -- ${pattern} ${name}=${value}`,
      );

      const detected = () =>
        texts(
          `select pattern_id, merchant_id, customer_id from bankpulse.detections order by merchant_id, customer_id`,
        );
      const before = (await detected()).map(String);
      await database().client.query(statement);
      await driver.apply([]);
      const since = (await detected()).filter((detection) => !before.includes(String(detection)));
      expect(since).to.deep.equal(added.map((pair) => [pattern, ...pair]));
      // the page follows
      await until('the form has the new value', async () => {
        const facts = await section.locator('.facts').innerText();
        return facts.includes(`${label}\n${value}`);
      });
    });
});
