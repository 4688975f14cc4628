import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AMOUNTS, CUSTOMERS, GENDERS, MERCHANTS, STEPS } from '../../src/generate/figures.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../../src/generate/generate.js';
import { UsageError } from '../../src/errors.js';

const TRANSACTIONS_HEADER = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud';
const IMPORTANCE_HEADER = 'Source,Target,Weight,typeTrans,fraud';
const ROW =
  /^(\d+),'(C\d+)','([0-6U])','([FMEU])','28007','(M\d+)','28007','(es_[a-z]+)',(\d+\.\d[1-9]?),([01])$/;

describe('generate', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-generate-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function generateIn(name: string, rows: number, seed = DEFAULT_SEED) {
    const transactionsCsv = join(folder, name, 'transactions.csv');
    const importanceCsv = join(folder, name, 'CustomerImportance.csv');
    const counts = await generate({ rows, seed, transactionsCsv, importanceCsv });
    const [transactions, importance] = [
      await readFile(transactionsCsv, 'latin1'),
      await readFile(importanceCsv, 'latin1'),
    ];
    return { counts, transactions, importance, sha256: [sha256(transactions), sha256(importance)] };
  }

  describe('in small', () => {
    it('writes the same bytes for the same rows and seed, on every machine', async () => {
      const pinned = [
        '036953cc035284272d722c41b8c83d52ec0d4b28735a161b7d08874ad35c904c',
        'df556d7c898b3ff890477492efba9db8769a4f2ee8874154743b40720dab46ea',
      ];
      expect((await generateIn('once', 10_000)).sha256).to.deep.equal(pinned);
      expect((await generateIn('again', 10_000)).sha256).to.deep.equal(pinned);
    });

    it('removes what a killed run left, and nothing of one that lives', async () => {
      await mkdir(join(folder, 'killed'));
      const leave = async (name: string, at = new Date(0)) => {
        await writeFile(join(folder, 'killed', name), '');
        await utimes(join(folder, 'killed', name), at, at);
      };
      const dead = 999_999_999; // no system has so many processes
      const kept = [
        `transactions.csv.${process.ppid}.partial`,
        `other.csv.${dead}.partial`,
        'transactions.csv.partial',
        `CustomerImportance.csv.${dead}.partial`, // written to since: its process may be on another machine
      ];
      await leave(`transactions.csv.${dead}.partial`);
      for (const name of kept.slice(0, 3)) await leave(name);
      await leave(kept[3]!, new Date(Date.now() + 60_000));
      await generateIn('killed', 10);
      const names = await readdir(join(folder, 'killed'));
      expect(names).to.have.members([...kept, 'transactions.csv', 'CustomerImportance.csv']);
    });

    it('writes other bytes for another seed, also one beyond 32 bits', async () => {
      const seeds = [1, 2, 2 ** 32 + 1];
      const runs = await Promise.all(seeds.map((seed) => generateIn(`seed-${seed}`, 1000, seed)));
      expect(new Set(runs.flatMap((run) => run.sha256))).to.have.property('size', 2 * seeds.length);
    });

    it('writes as many rows as asked for, with all customers and merchants from 5,000 rows on', async () => {
      for (const rows of [1, 49, 50, 4999, 5000]) {
        const { counts, transactions, importance } = await generateIn(`rows-${rows}`, rows);
        expect(counts.rows).to.equal(rows);
        expect(linesOf(transactions)).to.have.lengthOf(1 + rows);
        expect(linesOf(importance)).to.have.lengthOf(1 + rows);
        if (rows >= 50) expect(counts.merchants).to.equal(MERCHANTS.length);
        if (rows >= 5000) expect(counts.customers).to.equal(CUSTOMERS);
      }
    });

    it('leaves nothing but the two files', async () => {
      await generateIn('tidy', 100);
      const names = await readdir(join(folder, 'tidy'));
      expect(names).to.have.members(['transactions.csv', 'CustomerImportance.csv']);
    });

    it('leaves neither file when one cannot be written', async () => {
      await writeFile(join(folder, 'not-a-folder'), '');
      const failed: unknown = await generate({
        rows: 100,
        seed: 1,
        transactionsCsv: join(folder, 'failed', 'transactions.csv'),
        importanceCsv: join(folder, 'not-a-folder', 'CustomerImportance.csv'),
      }).catch((error: unknown) => error);
      expect(failed).to.be.an('error');
      expect(await readdir(join(folder, 'failed'))).to.deep.equal([]);
    });

    it('refuses rows and seeds that are not whole numbers of its range', async () => {
      for (const [rows, seed] of [
        [0, 1],
        [1.5, 1],
        [NaN, 1],
        [1e9, 1],
        [10, -1],
        [10, 0.5],
      ] as const) {
        const refused: unknown = await generateIn('refused', rows, seed).catch((error: unknown) => error);
        expect(refused, `${rows} rows, seed ${seed}`).to.be.instanceOf(UsageError);
      }
    });
  });

  describe('in its default size', () => {
    let run: Awaited<ReturnType<typeof generateIn>>;
    let rows: Row[];
    let merchants: [name: string, sums: Sums][];

    before(async () => {
      run = await generateIn('default', DEFAULT_ROWS);
      rows = linesOf(run.transactions).slice(1).map(parseRow);
      merchants = [...tally(new Map(), rows)].sort(([, one], [, two]) => two.total - one.total);
    });

    it('has the rows, customers and merchants of BankSim, under its headers, the same in both files', () => {
      expect(run.counts).to.deep.equal({ rows: 594_643, customers: 4112, merchants: 50 });
      expect(rows).to.have.lengthOf(594_643);
      expect(linesOf(run.transactions)[0]).to.equal(TRANSACTIONS_HEADER);
      const [header, ...importance] = linesOf(run.importance);
      expect(header).to.equal(IMPORTANCE_HEADER);
      const differs = ({ customer, merchant, category, amount, fraud }: Row, index: number) =>
        importance[index] !== `'${customer}','${merchant}',${amount},'${category}',${fraud}`;
      expect(importance).to.have.lengthOf(rows.length);
      expect(rows.findIndex(differs)).to.equal(-1);
    });

    it('counts the days up from 0 to 179, growing from some 2,400 rows to some 3,770', () => {
      expect(rows.every((row, index) => index === 0 || row.step >= rows[index - 1]!.step)).to.be.true;
      const perStep = [...countBy(rows, (row) => row.step).values()];
      expect(perStep).to.have.lengthOf(STEPS);
      expect(Math.min(...perStep)).to.be.within(2300, 2550);
      expect(Math.max(...perStep)).to.be.within(3650, 3900);
    });

    it('gives each customer one age and one gender, in the shares of BankSim', () => {
      const people = new Map(rows.map((row) => [row.customer, row]));
      const isSame = (row: Row, { age, gender } = people.get(row.customer)!) =>
        row.age === age && row.gender === gender;
      expect(rows.every((row) => isSame(row))).to.be.true;
      const perGender = countBy(people.values(), ({ gender }) => gender);
      for (const { gender, customers } of GENDERS) expect(perGender.get(gender), gender).to.equal(customers);
    });

    it('gives each merchant the rows, and all of them the customers, that they have in BankSim', () => {
      MERCHANTS.forEach(([, expected], place) => {
        // Which of the big two a trip goes to is left to chance; all else is exact.
        expect(merchants[place]![1].total).to.be.closeTo(expected, place < 2 ? 0.03 * DEFAULT_ROWS : 0);
      });
      const pairs = merchants.flatMap(([, sums]) => [...sums.pairs.values()].map(({ count }) => count));
      expect(pairs.length).to.be.within(46_000, 48_500);
      expect(pairs.filter((count) => count >= 80).length).to.be.within(2500, 3300);
    });

    it('lets both big merchants pass 50,000 rows, the second largest first, and shows all three patterns', () => {
      const { passed, found } = judge(rows, 10_000, new Map(merchants));
      expect(passed).to.deep.equal([merchants[1]![0], merchants[0]![0]]);
      const perPattern = countBy(found, (detection) => detection.split(' ')[0]);
      expect(perPattern.get('PatId1')).to.be.within(20, 100);
      expect(perPattern.get('PatId2')).to.be.within(40, 150);
      expect(perPattern.get('PatId3')).to.be.within(1, 10);
    });

    it('has the amounts of BankSim in each category', () => {
      for (const [category, { cents, fraud }] of Object.entries(AMOUNTS)) {
        const sold = rows.filter((row) => row.category === category);
        const sorted = sold.map((row) => row.cents).sort((one, two) => one - two);
        // The smallest category has 500 rows; their median strays.
        const tolerance = sold.length > 10_000 ? 0.03 : 0.15;
        expect(sorted[sorted.length >> 1]! / cents[3]!, category).to.be.closeTo(1, tolerance);
        expect(sorted.at(-1), category).to.be.at.most(cents.at(-1)!);
        const frauds = sold.filter((row) => row.fraud === '1').length;
        expect(frauds / sold.length, category).to.be.closeTo(fraud / 10_000, 0.05);
      }
    });
  });
});

type Row = ReturnType<typeof parseRow>;

function parseRow(line: string) {
  const fields = ROW.exec(line);
  if (!fields) throw new Error(`not as BankSim writes it: ${line}`);
  const [, step, customer, age, gender, merchant, category, amount, fraud] = fields as unknown as string[];
  const cents = Math.round(Number(amount) * 100);
  return {
    step: Number(step),
    customer: customer!,
    age,
    gender,
    merchant: merchant!,
    category,
    amount,
    cents,
    fraud,
  };
}

/** The patterns' rules once more, in cents: who passed 50,000 rows, in turn, and what was detected. */
function judge(rows: readonly Row[], chunkRows: number, final: Tally) {
  const passed = new Set<string>();
  const found = new Set<string>();
  const state: Tally = new Map();
  for (let at = 0; at < rows.length; at += chunkRows) {
    tally(state, rows.slice(at, at + chunkRows));
    for (const [merchant, { total, women, men, pairs }] of state) {
      if (women > 100 && women < men) found.add(`PatId3 ${merchant}`);
      for (const [customer, { count, cents }] of pairs) {
        if (count >= 80 && cents < 2300 * count) found.add(`PatId2 ${merchant} ${customer}`);
      }
      if (total <= 50_000) continue;
      passed.add(merchant);
      const everyPair = final.get(merchant)!.pairs;
      const lighter = smallerThan(everyPair, ({ count, cents }) => cents / count);
      for (const [customer, fewer] of smallerThan(pairs, ({ count }) => count)) {
        const isBusy = 10 * fewer >= 9 * (pairs.size - 1);
        const isLight = 10 * lighter.get(customer)! <= everyPair.size - 1;
        if (isBusy && isLight) found.add(`PatId1 ${merchant} ${customer}`);
      }
    }
  }
  return { passed: [...passed], found };
}

interface Sums {
  total: number;
  women: number;
  men: number;
  pairs: Map<string, { count: number; cents: number }>;
}
type Tally = Map<string, Sums>;

function tally(state: Tally, rows: readonly Row[]): Tally {
  for (const { merchant, customer, gender, cents } of rows) {
    if (!state.has(merchant)) state.set(merchant, { total: 0, women: 0, men: 0, pairs: new Map() });
    const sums = state.get(merchant)!;
    sums.total++;
    const pair = sums.pairs.get(customer);
    if (pair) {
      pair.count++;
      pair.cents += cents;
      continue;
    }
    sums.pairs.set(customer, { count: 1, cents });
    if (gender === 'F') sums.women++;
    if (gender === 'M') sums.men++;
  }
  return state;
}

/** For each key, how many values are smaller than its own. */
function smallerThan<Item>(items: Map<string, Item>, valueOf: (item: Item) => number): Map<string, number> {
  const sorted = Float64Array.from(items.values(), valueOf).sort();
  const smaller = new Map<number, number>();
  sorted.forEach((value, index) => smaller.has(value) || smaller.set(value, index));
  return new Map([...items].map(([key, item]) => [key, smaller.get(valueOf(item))!]));
}

/** The lines of a file in which every line ends in CRLF. */
function linesOf(text: string): string[] {
  const lines = text.split('\r\n');
  expect(lines.pop()).to.equal('');
  return lines;
}

function countBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
