import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../generate/generate.js';
import { DEFAULT_IMPORTANCE_CSV, DEFAULT_TRANSACTIONS_CSV, projectDir, type Settings } from '../config.js';
import { UsageError } from '../errors.js';
import type { Logger } from '../log.js';

function readWhole(name: string, text: string, least: number): number | string {
  const value = Number(text);
  return /^\d{1,15}$/.test(text) && value >= least
    ? value
    : `--${name} must be a whole number, ${least} or more`;
}

/** `npm run generate`: a pair of files like BankSim's. */
export async function runGenerate(options: { rows?: string; seed?: string; out?: string }): Promise<void> {
  const rows = readWhole('rows', options.rows ?? String(DEFAULT_ROWS), 1);
  const seed = readWhole('seed', options.seed ?? String(DEFAULT_SEED), 0);
  if (typeof rows === 'string' || typeof seed === 'string') {
    throw new UsageError([rows, seed].filter((fault) => typeof fault === 'string'));
  }
  const out = options.out === undefined ? join(projectDir, 'data') : resolve(options.out);
  const made = await generate({
    rows,
    seed,
    transactionsCsv: join(out, 'transactions.csv'),
    importanceCsv: join(out, 'CustomerImportance.csv'),
  });
  process.stdout.write(
    `${made.rows} rows, ${made.customers} customers, ${made.merchants} merchants: ` +
      `transactions.csv and CustomerImportance.csv in ${relative(process.cwd(), out) || '.'}\n`,
  );
}

/** Generates the input if both files are missing where they are by default. Aborted, it leaves none, and returns. */
export async function generateMissingInput(
  settings: Pick<Settings, 'TRANSACTIONS_CSV' | 'IMPORTANCE_CSV'>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const transactionsCsv = resolve(projectDir, DEFAULT_TRANSACTIONS_CSV);
  const importanceCsv = resolve(projectDir, DEFAULT_IMPORTANCE_CSV);
  const areDefault =
    settings.TRANSACTIONS_CSV === transactionsCsv && settings.IMPORTANCE_CSV === importanceCsv;
  if (!areDefault || existsSync(transactionsCsv) || existsSync(importanceCsv)) return;
  log.info(`no input files: generating ${DEFAULT_TRANSACTIONS_CSV} and ${DEFAULT_IMPORTANCE_CSV}`);
  try {
    await generate({ rows: DEFAULT_ROWS, seed: DEFAULT_SEED, transactionsCsv, importanceCsv, signal });
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
}
