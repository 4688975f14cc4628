import type { Kysely } from 'kysely';
import { UserError, hasSqlState } from '../errors.js';
import { sql } from './kysely.js';
import { readable } from '../text/numbers.js';
import { printable } from '../text/printable.js';
import type { Status, Views } from './views.js';

/** @throws UserError if there is no schema yet. */
export async function readStatus(views: Kysely<Views>): Promise<Status> {
  try {
    const { status } = await views
      .selectFrom('pipeline_status')
      .select(sql<Status>`to_jsonb(pipeline_status)`.as('status'))
      .executeTakeFirstOrThrow();
    return status;
  } catch (error) {
    if (hasSqlState(error, 'noSuchTable', 'noSuchSchema')) {
      throw new UserError('this database has no BankPulse schema yet; run "npm run migrate"');
    }
    throw error;
  }
}

/** Quarantined objects, oldest first. */
export async function readQuarantined(
  views: Kysely<Views>,
): Promise<{ object_key: string; error: string | null }[]> {
  return views
    .selectFrom('chunks')
    .select(['object_key', 'error'])
    .where('status', '=', 'quarantined')
    .orderBy('quarantined_at')
    .execute();
}

/** The rows of the importance file that is loaded, and the first that was rejected. */
export interface LoadedWeights {
  accepted: number;
  rejected: number;
  firstRejected: { line: number; reason: string } | undefined;
}

/** Undefined before the first load. */
export async function readWeights(views: Kysely<Views>): Promise<LoadedWeights | undefined> {
  const file = await views
    .selectFrom('importance_file')
    .select(['file_name', 'row_count', 'rejected_count'])
    .executeTakeFirst();
  if (!file) return undefined;
  const first = await views
    .selectFrom('rejected_rows')
    .select(['line_number', 'reason'])
    .where('object_key', '=', file.file_name)
    .orderBy('line_number')
    .executeTakeFirst();
  return {
    accepted: Number(file.row_count),
    rejected: Number(file.rejected_count),
    firstRejected: first && { line: Number(first.line_number), reason: first.reason },
  };
}

/** As one line for people. */
function describeWeights({ accepted, rejected, firstRejected }: LoadedWeights): string {
  const counts = `weights     ${readable(accepted)} accepted, ${readable(rejected)} rejected`;
  return firstRejected ? `${counts} (line ${firstRejected.line}: ${firstRejected.reason})` : counts;
}

/** The status, in lines for people. */
export async function readStatusText(views: Kysely<Views>): Promise<string> {
  return describeStatus(await readStatus(views), await readWeights(views), await readQuarantined(views));
}

function describeStatus(
  status: Status,
  weights: LoadedWeights | undefined,
  quarantined: readonly { object_key: string; error: string | null }[],
): string {
  const found = Object.entries(status.detections);
  const total = found.reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    `chunks      ${readable(status.chunks_applied)} applied, ${readable(status.chunks_pending)} waiting, ${readable(status.chunks_quarantined)} quarantined`,
    `rows        ${readable(status.rows_applied)} accepted, ${readable(status.rows_rejected)} rejected`,
    ...(weights ? [describeWeights(weights)] : []),
    `detections  ${readable(total)} (${found.map(([pattern, count]) => `${pattern} ${readable(count)}`).join(', ')})`,
    `files       ${readable(status.batches_exported)} written, ${readable(status.batches_pending)} to write`,
    `lag         ${status.lag_seconds} s`,
  ];
  for (const { object_key, error } of quarantined) {
    lines.push(`quarantined ${printable(object_key)}: ${printable(error ?? '')}`);
  }
  return lines.join('\n');
}
