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
import { SqlFunctions } from '../database/functions.js';
import type { Views } from '../database/views.js';

/**
 * Loads the CustomerImportance file into the weights, unless the same content was loaded before. If the database has
 * weights, a missing file is only a warning.
 * @throws UserError if there is neither a file nor weights, or if the file cannot be used.
 */
export async function loadImportance(
  client: pg.Client,
  views: Kysely<Views>,
  runId: number,
  path: string,
  log: Logger,
): Promise<void> {
  const loaded = await loadedFile(views);
  const source = new CsvFile('IMPORTANCE_CSV', path);
  if (!existsSync(path) && loaded) {
    log.warn(
      { loaded: loaded.file_name },
      `${source.name} does not exist; going on with the weights loaded before`,
    );
    return;
  }
  const fingerprint = await fingerprintOf(source);
  if (fingerprint === loaded?.fingerprint) return;

  const start = performance.now();
  const functions = new SqlFunctions(client);
  await functions.openStaging();
  try {
    await stageCsv(client, () => source.blocks(), importanceColumns);
    const file = await functions.loadImportance(runId, basename(path), fingerprint);
    await client.query('commit');
    const { rowCount: rows, rejectedCount: rejected } = file;
    log.info({ rows, rejected, ms: Math.round(performance.now() - start) }, 'importance loaded');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    const refused = isDataError(error) ? new ContentError('refusedByDatabase', error.code) : error;
    if (refused instanceof ContentError) throw new UserError(`${source.name}: ${refused.message}`);
    throw error;
  }
}

/** The file from which the weights were loaded; undefined before the first load. */
export function loadedFile(
  views: Kysely<Views>,
): Promise<{ fingerprint: string; file_name: string } | undefined> {
  return views.selectFrom('importance_file').select(['fingerprint', 'file_name']).executeTakeFirst();
}

/** sha256 of the uncompressed bytes. */
async function fingerprintOf(source: CsvFile): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of source.blocks()) hash.update(block);
  return hash.digest('hex');
}
