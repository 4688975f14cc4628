import { join, relative, resolve } from 'node:path';
import { projectDir } from '../config.js';
import { UsageError } from '../errors.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../generate/generate.js';

function readWhole(name: string, text: string, least: number): number | string {
  const value = Number(text);
  return /^\d{1,15}$/.test(text) && value >= least
    ? value
    : `--${name} must be a whole number, ${least} or more`;
}

/** `npm run generate`: writes a pair of files like BankSim's. */
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
