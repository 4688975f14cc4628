import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UsageError, UserError, codeOf, messageOf } from '../errors.js';
import * as figures from './figures.js';
import { apportion, interpolate, Random } from './random.js';
import { visits } from './visits.js';

export const DEFAULT_ROWS = figures.ROWS;
export const DEFAULT_SEED = 1;

/** 8 GB of transactions. Up to this number, every product in `apportion` is exact in a double. */
const MAX_ROWS = 100_000_000;

/** Long enough to make few system calls, short enough to keep the memory flat. */
const BLOCK_CHARACTERS = 1 << 20;

export interface GenerateOptions {
  rows: number;
  seed: number;
  transactionsCsv: string;
  importanceCsv: string;
  /** Ends it early; then neither file is written. */
  signal?: AbortSignal;
}

/**
 * Writes a pair of files like BankSim's, parallel row by row, whose bytes depend on `rows` and `seed` alone. Another
 * number of rows scales the rows of every day, merchant and customer. It does not change the 180 days, the 50 merchants
 * (from 50 rows on), the 4,112 customers (from 5,000 rows on), the amounts, and the largest number of customers of each
 * merchant but the two big ones.
 * @returns the number of rows, and of different customers and merchants in them.
 * @throws UsageError; UserError if they cannot be written; the signal's reason.
 */
export async function generate(
  options: GenerateOptions,
): Promise<{ rows: number; customers: number; merchants: number }> {
  const { rows, seed, transactionsCsv, importanceCsv, signal } = options;
  const faults: string[] = [];
  if (!Number.isInteger(rows) || rows < 1 || rows > MAX_ROWS) {
    faults.push(`rows must be a whole number from 1 to ${MAX_ROWS}`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) faults.push('seed must be a whole number, 0 or more');
  if (faults.length > 0) throw new UsageError(faults);

  const customers = new Set<number>();
  const merchants = new Set<number>();
  const parts = blocks(rows, new Random(seed), customers, merchants);
  await writeFiles([transactionsCsv, importanceCsv], parts, signal);
  return { rows, customers: customers.size, merchants: merchants.size };
}

/** The text of both files, block by block; adds the customers and merchants that occur to the two sets. */
function* blocks(
  rows: number,
  random: Random,
  customers: Set<number>,
  merchants: Set<number>,
): Generator<[transactions: string, importance: string]> {
  const people = createPeople(random);
  const customerNames = createNames('C', figures.CUSTOMERS, random);
  const merchantNames = createNames('M', figures.MERCHANTS.length, random);
  const genders = people.map(({ gender }) => gender);

  let transactions = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud\r\n';
  let importance = 'Source,Target,Weight,typeTrans,fraud\r\n';
  for (const { step, customer, merchant } of visits(rows, genders, random)) {
    customers.add(customer);
    merchants.add(merchant);
    const { age, gender } = people[customer]!;
    const [category] = figures.MERCHANTS[merchant]!;
    const { cents, fraud: fraudPer10000 } = figures.AMOUNTS[category];
    const rank = random.below(1_000_000);
    const amount = formatAmount(interpolate(figures.AMOUNT_RANKS, cents, rank));
    // Fraud has the largest amounts of a category.
    const fraud = rank >= 1_000_000 - 100 * fraudPer10000 ? 1 : 0;
    const source = customerNames[customer];
    const target = merchantNames[merchant];
    const zip = figures.ZIP_CODE;
    transactions += `${step},'${source}','${age}','${gender}','${zip}','${target}','${zip}','${category}',${amount},${fraud}\r\n`;
    importance += `'${source}','${target}',${amount},'${category}',${fraud}\r\n`;
    if (transactions.length >= BLOCK_CHARACTERS) {
      yield [transactions, importance];
      transactions = importance = '';
    }
  }
  yield [transactions, importance];
}

/** All customers with their age and gender, in random order. */
function createPeople(random: Random): { age: string; gender: figures.Gender }[] {
  const people = figures.GENDERS.flatMap(({ gender, customers, ages }) =>
    apportion(customers, Object.values(ages)).flatMap((count, index) =>
      Array.from({ length: count }, () => ({ age: Object.keys(ages)[index]!, gender })),
    ),
  );
  return random.shuffle(people);
}

/** Different names in BankSim's format, such as `C1093826151`. */
function createNames(letter: string, count: number, random: Random): string[] {
  const names = new Set<string>();
  while (names.size < count) names.add(`${letter}${random.below(2 ** 31)}`);
  return [...names];
}

/** Cents as BankSim writes amounts: one decimal at least, a trailing zero dropped. */
function formatAmount(cents: number): string {
  const hundredths = cents % 100;
  const decimals = hundredths % 10 === 0 ? `${hundredths / 10}` : `${hundredths}`.padStart(2, '0');
  return `${(cents - hundredths) / 100}.${decimals}`;
}

/**
 * Writes files side by side, a part of each at a time. They get their names when all are complete: a killed run leaves no
 * file that looks complete.
 */
async function writeFiles(paths: string[], parts: Iterable<string[]>, signal?: AbortSignal): Promise<void> {
  const files: { path: string; partial: string; handle: FileHandle }[] = [];
  const startedAt = Date.now();
  try {
    for (const path of paths) {
      await mkdir(dirname(path), { recursive: true });
      // Beside the target, since a rename does not cross file systems; with the process, since two may run at once.
      const partial = `${path}.${process.pid}.partial`;
      files.push({ path, partial, handle: await open(partial, 'w') });
    }
    for (const part of parts) {
      signal?.throwIfAborted();
      await Promise.all(files.map(({ handle }, index) => handle.appendFile(part[index]!, 'latin1')));
    }
    for (const { handle } of files) await handle.close();
    for (const { partial, path } of files) await rename(partial, path);
    // a leftover that cannot be removed does no harm
    for (const path of paths) await removeLeftovers(path, startedAt).catch(() => undefined);
  } catch (error) {
    for (const { handle, partial } of files) {
      await handle.close().catch(() => undefined);
      await rm(partial, { force: true });
    }
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new UserError(
      `the generated files cannot be written: ${messageOf(error)}. Write them elsewhere with ` +
        'npm run generate -- --out FOLDER, and say so in TRANSACTIONS_CSV and IMPORTANCE_CSV',
    );
  }
}

/** Removes what killed runs left of this file: their process is gone, and nothing was written since this run began. */
async function removeLeftovers(path: string, startedAt: number): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    const [, pid] = /\.(\d+)\.partial$/.exec(name) ?? [];
    if (pid === undefined || name !== `${basename(path)}.${pid}.partial` || isAlive(Number(pid))) continue;
    const leftover = join(dirname(path), name);
    if ((await stat(leftover)).mtimeMs < startedAt) await rm(leftover, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}
