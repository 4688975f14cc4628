import type { Kysely } from 'kysely';
import { UserError, hasSqlState } from '../errors.js';
import { sql } from './kysely.js';
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
    .orderBy('applied_at')
    .execute();
}

const number = new Intl.NumberFormat('en');

/** The status as lines for people. */
export function describeStatus(
  status: Status,
  quarantined: readonly { object_key: string; error: string | null }[],
): string {
  const found = Object.entries(status.detections);
  const total = found.reduce((sum, [, count]) => sum + count, 0);
  const lines = [
    `chunks      ${number.format(status.chunks_applied)} applied, ${number.format(status.chunks_pending)} waiting, ${number.format(status.chunks_quarantined)} quarantined`,
    `rows        ${number.format(status.rows_applied)} accepted, ${number.format(status.rows_rejected)} rejected`,
    `detections  ${number.format(total)} (${found.map(([pattern, count]) => `${pattern} ${number.format(count)}`).join(', ')})`,
    `files       ${number.format(status.batches_exported)} written, ${number.format(status.batches_pending)} to write`,
    `lag         ${status.lag_seconds} s`,
  ];
  for (const { object_key, error } of quarantined) {
    lines.push(`quarantined ${printable(object_key)}: ${printable(error ?? '')}`);
  }
  return lines.join('\n');
}
