import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Kysely } from 'kysely';
import type pg from 'pg';
import { existsSync } from 'node:fs';
import { ContentError, UserError, isDataError } from '../errors.js';
import { importanceColumns } from '../csv/header.js';
import { stageCsv } from './stage.js';
import type { Logger } from '../log.js';
import { CsvFile } from '../csv/csv-file.js';
import { SqlFunctions, type RejectedRow } from '../database/functions.js';
import type { Views } from '../database/views.js';

/**
 * Loads the CustomerImportance file into the weights, unless the same content was loaded before. If the database has
 * weights, a missing file is only a warning; so are rejected rows, if others are accepted.
 * @throws UserError if there is neither a file nor weights, or if the file cannot be used.
 */
export async function loadImportance(
  client: pg.Client,
  views: Kysely<Views>,
  runId: number,
  path: string,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  const loaded = await loadedFile(views);
  const source = new CsvFile('IMPORTANCE_CSV', path, signal);
  if (!existsSync(path) && loaded) {
    log.warn(
      { loaded: loaded.file_name },
      `${source.name} does not exist; going on with the weights loaded before`,
    );
    return;
  }
  const fingerprint = await fingerprintOf(source);
  // a version before this one also loaded a file without a single weight
  if (fingerprint === loaded?.fingerprint && loaded.row_count !== '0') return;

  log.info(`loading the weights of ${basename(path)}`);
  const start = performance.now();
  const functions = new SqlFunctions(client);
  await functions.openStaging();
  try {
    await stageCsv(client, () => source.blocks(), importanceColumns);
    const name = basename(path);
    const { rowCount: rows, rejectedCount: rejected } = await functions.loadImportance(
      runId,
      name,
      fingerprint,
    );
    const first = await functions.firstRejectedRow(name);
    if (rows === 0) throw new UserError(`${source.name} ${whyNoWeights(rejected, first)}`);
    await client.query('commit');
    log.info({ rows, rejected, ms: Math.round(performance.now() - start) }, 'importance loaded');
    if (first)
      log.warn(
        { rejected, line: first.line, reason: first.reason },
        `${source.name}: rows were rejected, and their weights do not count; the first is on line ${first.line}`,
      );
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const refused = isDataError(error) ? new ContentError('refusedByDatabase', error.code) : error;
    if (refused instanceof ContentError)
      throw refused.kind === 'empty' ? source.empty() : new UserError(`${source.name}: ${refused.message}`);
    throw error;
  }
}

/** A pattern that compares weights would find nothing, in silence: a file that gives none is refused. */
function whyNoWeights(rejected: number, first: RejectedRow | undefined): string {
  if (!first) return 'has a header and no rows: it must hold the weights of customers';
  return (
    `gives no weights, all ${rejected} rows are rejected; line ${first.line}: ${first.reason}. A row needs Source, Target and a Weight such as 0.5, with a point; ` +
    'columns are separated by commas'
  );
}

/** The file from which the weights were loaded; undefined before the first load. */
export function loadedFile(
  views: Kysely<Views>,
): Promise<{ fingerprint: string; file_name: string; row_count: string } | undefined> {
  return views
    .selectFrom('importance_file')
    .select(['fingerprint', 'file_name', 'row_count'])
    .executeTakeFirst();
}

/** sha256 of the uncompressed bytes. */
async function fingerprintOf(source: CsvFile): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of source.blocks()) hash.update(block);
  return hash.digest('hex');
}
