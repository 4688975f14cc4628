import type { Kysely } from 'kysely';
import type { DetectionFile, FilePage } from '../payloads.js';
import type { DashboardViews } from '../dashboard-views.js';
import { jsonRow } from './json-rows.js';

const SHOWN_FILES = 200;
const SHOWN_ROWS = 1000;

/** The newest detection files, newest first. */
export async function readFiles(views: Kysely<DashboardViews>): Promise<DetectionFile[]> {
  const rows = await views
    .selectFrom('detection_batches')
    .select(jsonRow<DetectionFile>('detection_batches').as('row'))
    .orderBy('batch_no', 'desc')
    .limit(SHOWN_FILES)
    .execute();
  return rows.map(({ row }) => row);
}

/** A file and its rows as they are written; undefined if there is none of this number. */
export async function readFile(
  views: Kysely<DashboardViews>,
  batchNo: number,
): Promise<FilePage | undefined> {
  const file = await views
    .selectFrom('detection_batches')
    .select(jsonRow<DetectionFile>('detection_batches').as('row'))
    .where('batch_no', '=', batchNo)
    .executeTakeFirst();
  if (!file) return undefined;
  const rows = await views
    .selectFrom('detection_file_rows')
    .select(jsonRow<FilePage['rows'][number]>('detection_file_rows').as('row'))
    .where('batch_no', '=', batchNo)
    .orderBy('detection_id')
    .limit(SHOWN_ROWS)
    .execute();
  return { file: file.row, rows: rows.map(({ row }) => row) };
}
