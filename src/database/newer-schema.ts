import { UserError } from '../errors.js';
import { printable } from '../text/printable.js';
import { version } from '../config.js';
import type { Queryable } from './connection.js';

/** What this version of BankPulse brings: names of files in migrations/, without ending, and of files below sql/. */
export interface KnownFiles {
  migrations: readonly string[];
  sqlFiles: readonly string[];
}

/** The files that users write, rename and delete. */
export const PATTERNS = '04_patterns/';

const MOST_NAMED = 5;

/** Whether one version is later than another: 0.10.0 than 0.9.1. What follows the three numbers does not count. */
function isLater(one: string, other: string): boolean {
  const numbersOf = (version: string) => version.replace(/[-+].*$/, '');
  return numbersOf(one).localeCompare(numbersOf(other), 'en', { numeric: true }) > 0;
}

/**
 * Refuses a schema that a newer version of BankPulse has brought up to date: this version would put its older functions
 * in place of newer ones, or work with functions and tables that it does not know. The schema is newer if
 * - its recorded version is later than this one, or
 * - it has a migration that this version lacks, or
 * - it has a file of sql/ that this version lacks, while this version brings nothing that the schema lacks: neither a
 *   migration nor a later version. A release that deletes a file of sql/ therefore has one of the two.
 * Reads: migrations, applied_sql_files, pipeline.
 * @throws UserError that names them.
 */
export async function refuseNewerSchema(client: Queryable, known: KnownFiles): Promise<void> {
  const { rows: tables } = await client.query<{ has_files: boolean; has_pipeline: boolean }>(
    `select
       to_regclass('bankpulse.applied_sql_files') is not null as has_files,
       to_regclass('bankpulse.pipeline') is not null as has_pipeline`,
  );
  const { has_files, has_pipeline } = tables[0]!;
  if (!has_files) return;
  const names = async (query: string) =>
    (await client.query<{ name: string }>(query)).rows.map(({ name }) => name);
  const ran = await names('select name from bankpulse.migrations order by id');
  const applied = await names('select file_name as name from bankpulse.applied_sql_files order by file_name');
  // as JSON, since the column is younger than the table
  const [recorded] = has_pipeline
    ? await names(`select to_jsonb(pipeline) ->> 'schema_version' as name from bankpulse.pipeline`)
    : [];

  const isRecordedLater = typeof recorded === 'string' && isLater(recorded, version);
  const bringsMore =
    (typeof recorded === 'string' && isLater(version, recorded)) ||
    known.migrations.some((name) => !ran.includes(name));
  const migrations = ran.filter((name) => !known.migrations.includes(name));
  const sqlFiles = applied.filter(
    (name) => !bringsMore && !name.startsWith(PATTERNS) && !known.sqlFiles.includes(name),
  );
  if (!isRecordedLater && migrations.length + sqlFiles.length === 0) return;

  const unknown = [
    ...migrations.map((name) => `migrations/${name}.sql`),
    ...sqlFiles.map((name) => `sql/${name}`),
  ].map((name) => printable(name));
  const more = unknown.length > MOST_NAMED ? ` and ${unknown.length - MOST_NAMED} more` : '';
  const whose = isRecordedLater
    ? `, which is ${version}: version ${printable(recorded)} has migrated it`
    : '';
  const what = unknown.length > 0 ? `; unknown here: ${unknown.slice(0, MOST_NAMED).join(', ')}${more}` : '';
  const ownFile =
    isRecordedLater || migrations.length > 0
      ? ''
      : '; if you have removed the file yourself, delete its row from bankpulse.applied_sql_files';
  throw new UserError(
    `the schema is newer than this version of BankPulse${whose}${what}. Run the version that migrated it, or a later one; ` +
      `to go back to this one, restore a dump from before the upgrade${ownFile}`,
  );
}
