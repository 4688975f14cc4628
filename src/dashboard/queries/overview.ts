import type { Kysely } from 'kysely';
import type { Chunk, ChunkDetections, Detection, Pattern, Progress } from '../payloads.js';
import type { DashboardViews } from '../dashboard-views.js';
import { partNameOf, type PatternParts } from '../pattern-parts.js';
import { jsonRow } from './json-rows.js';

/** Detections in the event stream; the newest of them all. */
const NEWEST = 50;
/** On the page of a merchant or a customer. */
export const SHOWN_DETECTIONS = 200;

export async function readProgress(views: Kysely<DashboardViews>): Promise<Progress> {
  const { row } = await views
    .selectFrom('dashboard_progress')
    .select(jsonRow<Progress>('dashboard_progress').as('row'))
    .executeTakeFirstOrThrow();
  return row;
}

export async function readPatterns(
  views: Kysely<DashboardViews>,
  { browser }: PatternParts,
): Promise<Pattern[]> {
  const rows = await views
    .selectFrom((from) =>
      from
        .selectFrom('patterns')
        .select([
          'pattern_id',
          'action_type',
          'description',
          'is_enabled',
          'thresholds',
          'reason_template',
          'match_function',
        ])
        .as('shown'),
    )
    .select(jsonRow<Omit<Pattern, 'part'> & { match_function: string }>('shown').as('row'))
    .orderBy('pattern_id')
    .execute();
  return rows.map(({ row: { match_function, ...pattern } }) => {
    const part = partNameOf(match_function);
    return { ...pattern, part: browser.has(part) ? part : null };
  });
}

export async function readChunks(views: Kysely<DashboardViews>): Promise<Chunk[]> {
  const rows = await views
    .selectFrom('dashboard_chunks')
    .select(jsonRow<Chunk>('dashboard_chunks').as('row'))
    .orderBy('chunk_no')
    .execute();
  return rows.map(({ row }) => row);
}

export async function readChunkDetections(views: Kysely<DashboardViews>): Promise<ChunkDetections[]> {
  const rows = await views
    .selectFrom('dashboard_detections_by_chunk')
    .select(jsonRow<ChunkDetections>('dashboard_detections_by_chunk').as('row'))
    .orderBy('chunk_no')
    .orderBy('pattern_id')
    .execute();
  return rows.map(({ row }) => row);
}

export function readNewest(views: Kysely<DashboardViews>): Promise<Detection[]> {
  return readDetections(views, { limit: NEWEST });
}

export interface DetectionFilter {
  pattern?: string | undefined;
  merchant?: string | undefined;
  customer?: string | undefined;
  limit: number;
}

/** The newest detections, newest first. */
export async function readDetections(
  views: Kysely<DashboardViews>,
  { pattern, merchant, customer, limit }: DetectionFilter,
): Promise<Detection[]> {
  const rows = await views
    .selectFrom('detection_reasons')
    .select(jsonRow<Detection>('detection_reasons').as('row'))
    .$if(pattern !== undefined, (query) => query.where('pattern_id', '=', pattern!))
    .$if(merchant !== undefined, (query) => query.where('merchant_id', '=', merchant!))
    .$if(customer !== undefined, (query) => query.where('customer_id', '=', customer!))
    .orderBy('detection_id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ row }) => row);
}
