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

/** The status as lines for people. */
export function describeStatus(
  status: Status,
  quarantined: readonly { object_key: string; error: string | null }[],
): string {
  const found = Object.entries(status.detections);
  const total = found.reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    `chunks      ${readable(status.chunks_applied)} applied, ${readable(status.chunks_pending)} waiting, ${readable(status.chunks_quarantined)} quarantined`,
    `rows        ${readable(status.rows_applied)} accepted, ${readable(status.rows_rejected)} rejected`,
    `detections  ${readable(total)} (${found.map(([pattern, count]) => `${pattern} ${readable(count)}`).join(', ')})`,
    `files       ${readable(status.batches_exported)} written, ${readable(status.batches_pending)} to write`,
    `lag         ${status.lag_seconds} s`,
  ];
  for (const { object_key, error } of quarantined) {
    lines.push(`quarantined ${printable(object_key)}: ${printable(error ?? '')}`);
  }
  return lines.join('\n');
}
