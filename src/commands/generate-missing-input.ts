import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  DEFAULT_IMPORTANCE_CSV,
  DEFAULT_TRANSACTIONS_CSV,
  isAllEmbedded,
  projectDir,
  type Settings,
} from '../config.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../generate/generate.js';
import type { Logger } from '../log.js';

/**
 * Generates both input files if both have their default paths and are missing, and database and store are the embedded
 * ones: generated rows must not reach a real bucket. An aborted generation leaves neither file.
 */
export async function generateMissingInput(
  settings: Pick<Settings, 'TRANSACTIONS_CSV' | 'IMPORTANCE_CSV'>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const transactionsCsv = resolve(projectDir, DEFAULT_TRANSACTIONS_CSV);
  const importanceCsv = resolve(projectDir, DEFAULT_IMPORTANCE_CSV);
  const areDefault =
    settings.TRANSACTIONS_CSV === transactionsCsv && settings.IMPORTANCE_CSV === importanceCsv;
  if (!areDefault || !isAllEmbedded() || existsSync(transactionsCsv) || existsSync(importanceCsv)) return;
  log.info(`no input files: generating ${DEFAULT_TRANSACTIONS_CSV} and ${DEFAULT_IMPORTANCE_CSV}`);
  try {
    await generate({ rows: DEFAULT_ROWS, seed: DEFAULT_SEED, transactionsCsv, importanceCsv, signal });
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
}
