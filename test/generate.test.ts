import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AMOUNTS, CUSTOMERS, GENDERS, MERCHANTS, STEPS } from '../scripts/generate-figures.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../scripts/generate.js';
import { UsageError } from '../src/errors.js';

const TRANSACTIONS_HEADER = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud';
const IMPORTANCE_HEADER = 'Source,Target,Weight,typeTrans,fraud';
const ROW =
  /^(\d+),'(C\d+)','([0-6U])','([FMEU])','28007','(M\d+)','28007','(es_[a-z]+)',(\d+\.\d[1-9]?),([01])$/;

describe('generate', function () {
  this.timeout(60_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-generate-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  async function generateIn(name: string, rows: number, seed = DEFAULT_SEED) {
    const transactionsCsv = join(folder, name, 'transactions.csv');
    const importanceCsv = join(folder, name, 'CustomerImportance.csv');
    const counts = await generate({ rows, seed, transactionsCsv, importanceCsv });
    const files = [
      await readFile(transactionsCsv, 'latin1'),
      await readFile(importanceCsv, 'latin1'),
    ] as const;
    return { counts, transactions: files[0], importance: files[1], sha256: files.map(sha256) };
  }

  describe('in small', () => {
    it('writes the same bytes for the same rows and seed, on every machine', async () => {
      const { sha256 } = await generateIn('once', 10_000);
      expect(sha256).to.deep.equal([
        '036953cc035284272d722c41b8c83d52ec0d4b28735a161b7d08874ad35c904c',
        'df556d7c898b3ff890477492efba9db8769a4f2ee8874154743b40720dab46ea',
      ]);
      expect((await generateIn('again', 10_000)).sha256).to.deep.equal(sha256);
    });

    it('writes other bytes for another seed, also one beyond 32 bits', async () => {
      const runs = await Promise.all(
        [1, 2, 2 ** 32 + 1].map((seed) => generateIn(`seed-${seed}`, 1000, seed)),
      );
      expect(new Set(runs.flatMap((run) => run.sha256))).to.have.property('size', 6);
    });

    it('keeps all customers and merchants from 5,000 rows on', async () => {
      const { counts } = await generateIn('few', 5000);
      expect(counts).to.deep.equal({ rows: 5000, customers: CUSTOMERS, merchants: MERCHANTS.length });
    });

    for (const rows of [1, 49, 50, 4999]) {
      it(`writes ${rows} rows when asked to`, async () => {
        const { counts, transactions, importance } = await generateIn(`rows-${rows}`, rows);
        expect(counts.rows).to.equal(rows);
        expect(recordsOf(transactions)).to.have.lengthOf(1 + rows);
        expect(recordsOf(importance)).to.have.lengthOf(1 + rows);
      });
    }

    it('leaves nothing but the two files', async () => {
      await generateIn('tidy', 100);
      expect((await readdir(join(folder, 'tidy'))).sort()).to.deep.equal([
        'CustomerImportance.csv',
        'transactions.csv',
      ]);
    });

    it('leaves neither file when one cannot be written', async () => {
      const target = join(folder, 'failed');
      await writeFile(join(folder, 'not-a-folder'), '');
      const failed = await generate({
        rows: 100,
        seed: 1,
        transactionsCsv: join(target, 'transactions.csv'),
        importanceCsv: join(folder, 'not-a-folder', 'CustomerImportance.csv'),
      }).catch((error: unknown) => error);
      expect(failed).to.be.an('error');
      expect(await readdir(target)).to.deep.equal([]);
    });

    for (const [rows, seed] of [
      [0, 1],
      [1.5, 1],
      [Number.NaN, 1],
      [10, -1],
    ] as const) {
      it(`refuses ${rows} rows with seed ${seed}`, async () => {
        const refused = await generateIn('refused', rows, seed).catch((error: unknown) => error);
        expect(refused).to.be.instanceOf(UsageError);
      });
    }
  });

  describe('in its default size', () => {
    let run: Awaited<ReturnType<typeof generateIn>>;
    let rows: Row[];

    before(async () => {
      run = await generateIn('default', DEFAULT_ROWS);
      rows = recordsOf(run.transactions).slice(1).map(parseRow);
    });

    it('has the rows, customers and merchants of BankSim', () => {
      expect(run.counts).to.deep.equal({ rows: 594_643, customers: 4112, merchants: 50 });
      expect(rows).to.have.lengthOf(594_643);
      expect(countBy(rows, (row) => row.customer).size).to.equal(4112);
      expect(countBy(rows, (row) => row.merchant).size).to.equal(50);
    });

    it('has the same row in both files, under the headers of BankSim', () => {
      expect(recordsOf(run.transactions)[0]).to.equal(TRANSACTIONS_HEADER);
      const [header, ...importance] = recordsOf(run.importance);
      expect(header).to.equal(IMPORTANCE_HEADER);
      const different = rows.findIndex(
        ({ customer, merchant, category, amount, fraud }, index) =>
          importance[index] !== `'${customer}','${merchant}',${amount},'${category}',${fraud}`,
      );
      expect(different).to.equal(-1);
      expect(importance).to.have.lengthOf(rows.length);
    });

    it('counts the days up from 0 to 179, growing from some 2,400 rows to some 3,770', () => {
      expect(rows.every((row, index) => row.step >= (rows[index - 1]?.step ?? 0))).to.be.true;
      const perStep = [...countBy(rows, (row) => row.step).values()];
      expect(perStep).to.have.lengthOf(STEPS);
      expect(Math.min(...perStep)).to.be.within(2300, 2550);
      expect(Math.max(...perStep)).to.be.within(3650, 3900);
    });

    it('gives each customer one age and one gender, in the shares of BankSim', () => {
      const people = new Set(rows.map(({ customer, age, gender }) => `${customer} ${gender} ${age}`));
      expect(people).to.have.property('size', CUSTOMERS);
      const perGender = countBy([...people], (person) => person.split(' ')[1]!);
      for (const { gender, customers } of GENDERS) expect(perGender.get(gender), gender).to.equal(customers);
    });

    it('gives each merchant the share of rows, and the customers, that it has in BankSim', () => {
      const perMerchant = [...countBy(rows, (row) => row.merchant)].sort(([, one], [, two]) => two - one);
      MERCHANTS.forEach(([, expected], place) => {
        // Which of the big two a trip goes to is left to chance; all else is exact.
        expect(perMerchant[place]![1]).to.be.closeTo(expected, place < 2 ? 0.03 * DEFAULT_ROWS : 0);
      });
      const pairs = countBy(rows, (row) => `${row.customer} ${row.merchant}`);
      expect(pairs.size).to.be.within(46_000, 48_500);
      expect([...pairs.values()].filter((count) => count >= 80).length).to.be.within(2500, 3300);
    });

    it('lets both big merchants pass 50,000 rows, the second largest first', () => {
      const passed: string[] = [];
      const seen = new Map<string, number>();
      for (const { merchant } of rows) {
        seen.set(merchant, (seen.get(merchant) ?? 0) + 1);
        if (seen.get(merchant) === 50_001) passed.push(merchant);
      }
      const [largest, second] = [...seen].sort(([, one], [, two]) => two - one).map(([merchant]) => merchant);
      expect(passed).to.deep.equal([second, largest]);
    });

    it('has the amounts of BankSim in each category', () => {
      for (const [category, { cents, fraud }] of Object.entries(AMOUNTS)) {
        const found = rows.filter((row) => row.category === category);
        const amounts = found.map((row) => Number(row.amount) * 100).sort((one, two) => one - two);
        // Of some 500 rows, the smallest category, the median strays by some 5 %.
        expect(amounts[amounts.length >> 1]! / cents[3]!, category).to.be.closeTo(
          1,
          found.length > 10_000 ? 0.03 : 0.15,
        );
        expect(amounts.at(-1), category).to.be.at.most(cents.at(-1)! + 0.001);
        const frauds = found.filter((row) => row.fraud === '1').length;
        expect(frauds / found.length, category).to.be.closeTo(fraud / 10_000, 0.05);
      }
    });
  });
});

interface Row {
  step: number;
  customer: string;
  age: string;
  gender: string;
  merchant: string;
  category: string;
  amount: string;
  fraud: string;
}

function parseRow(record: string): Row {
  const fields = ROW.exec(record);
  if (!fields) throw new Error(`not as BankSim writes it: ${record}`);
  const [, step, customer, age, gender, merchant, category, amount, fraud] = fields as unknown as string[];
  return { step: Number(step), customer, age, gender, merchant, category, amount, fraud } as Row;
}

/** The records of a file in which every line ends in CRLF. */
function recordsOf(text: string): string[] {
  const records = text.split('\r\n');
  expect(records.pop()).to.equal('');
  return records;
}

function countBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, number> {
  const counts = new Map<Key, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function sha256(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}
