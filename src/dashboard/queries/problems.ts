import type { Kysely } from 'kysely';
import { sql } from '../../database/kysely.js';
import type { ProblemsPage, QuarantinedObject, RejectedRow } from '../payloads.js';
import type { DashboardViews } from '../dashboard-views.js';
import { jsonRow } from './json-rows.js';

const SHOWN = 200;

/** Quarantined objects and rejected rows, newest first. */
export async function readProblems(views: Kysely<DashboardViews>): Promise<ProblemsPage> {
  const rejectedRows = await views
    .selectFrom('dashboard_rejected_rows')
    .select(jsonRow<RejectedRow>('dashboard_rejected_rows').as('row'))
    .orderBy(sql`chunk_no desc nulls last`)
    .orderBy('line_number')
    .limit(SHOWN)
    .execute();
  const quarantined = await views
    .selectFrom((from) =>
      from
        .selectFrom('chunks')
        .select(['object_key', 'size_bytes', 'quarantined_at', 'error'])
        .where('status', '=', 'quarantined')
        .as('shown'),
    )
    .select(jsonRow<QuarantinedObject>('shown').as('row'))
    .orderBy('quarantined_at', 'desc')
    .orderBy('object_key')
    .limit(SHOWN)
    .execute();
  return {
    rejectedRows: rejectedRows.map(({ row }) => row),
    quarantined: quarantined.map(({ row }) => row),
  };
}
