import type { Kysely } from 'kysely';
import { UserError, hasSqlState } from '../errors.js';
import { sql } from './kysely.js';
import { counted, readable, readableAge } from '../text/numbers.js';
import { printable } from '../text/printable.js';
import type { Status, Views } from './views.js';

/** @throws UserError if there is no schema yet. */
export async function readStatus(views: Kysely<Views>): Promise<Status> {
  try {
    const { status } = await views
      .selectFrom('pipeline_status')
      .select(sql<Status>`to_jsonb(pipeline_status)`.as('status'))
      .executeTakeFirstOrThrow();
    if (status.run_state === undefined) {
      throw new UserError('the schema is that of an older version of BankPulse; run "npm run migrate"');
    }
    return status;
  } catch (error) {
    if (hasSqlState(error, 'noSuchTable', 'noSuchSchema')) {
      throw new UserError('this database has no BankPulse schema yet; run "npm run migrate"');
    }
    throw error;
  }
}

/** In the text of the status; `npm run quarantine` lists all. */
const SHOWN_QUARANTINED = 20;

/** Quarantined objects, oldest first: all, or so many. */
export async function readQuarantined(
  views: Kysely<Views>,
  limit?: number,
): Promise<{ object_key: string; error: string | null }[]> {
  return views
    .selectFrom('chunks')
    .select(['object_key', 'error'])
    .where('status', '=', 'quarantined')
    .orderBy('quarantined_at')
    .$if(limit !== undefined, (query) => query.limit(limit!))
    .execute();
}

/** The rows of the importance file that is loaded, and the first that was rejected. */
export interface LoadedWeights {
  accepted: number;
  rejected: number;
  firstRejected: { line: number; reason: string } | undefined;
  /** Of the first pairs of customer and merchant in the stream. */
  stream: WeightsOfStream;
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
    stream: await readWeightsOfStream(views),
  };
}

/** How many of the first pairs in the stream have a weight. */
export interface WeightsOfStream {
  pairs: number;
  weighted: number;
}

export async function readWeightsOfStream(views: Kysely<Views>): Promise<WeightsOfStream> {
  const counts = await views
    .selectFrom('weights_of_stream')
    .select(['pair_count', 'weighted_count'])
    .executeTakeFirstOrThrow();
  return { pairs: Number(counts.pair_count), weighted: Number(counts.weighted_count) };
}

/** Fewer pairs say little. */
const LEAST_PAIRS = 100;
/** With fewer weights than this share something is wrong with the file, not with single customers. */
const FEW = 0.1;

/** That the stream has next to no weights, in words; undefined if it has, or if it is too short to tell. */
export function describeMissingWeights({ pairs, weighted }: WeightsOfStream): string | undefined {
  if (pairs < LEAST_PAIRS || weighted >= FEW * pairs) return undefined;
  return (
    `only ${readable(weighted)} of the first ${counted(pairs, 'pair')} of customer and merchant have a weight, ` +
    'so a pattern that compares weights, as UPGRADE does, finds next to nothing'
  );
}

/** In lines for people. */
function describeWeights({ accepted, rejected, firstRejected, stream }: LoadedWeights): string {
  const counts = `weights     ${readable(accepted)} accepted, ${readable(rejected)} rejected`;
  const missing = describeMissingWeights(stream);
  return [
    firstRejected ? `${counts} (line ${firstRejected.line}: ${firstRejected.reason})` : counts,
    ...(missing === undefined ? [] : [`            ${missing}: see IMPORTANCE_CSV`]),
  ].join('\n');
}

/** The status, in lines for people. */
export async function readStatusText(views: Kysely<Views>): Promise<string> {
  return describeStatus(
    await readStatus(views),
    await readWeights(views),
    await readQuarantined(views, SHOWN_QUARANTINED),
  );
}

function describeLag({ lag_seconds, listed_at, run_id }: Status): string {
  if (lag_seconds !== null) return `${lag_seconds} s`;
  return listed_at === null
    ? `unknown: ${run_id === null ? 'no mechanism Y has' : `run ${run_id} has not`} listed the bucket yet`
    : `unknown: the last listing of mechanism Y is ${readableAge(new Date(listed_at))} old`;
}

/** Whether a Y works, and since when the figures are as they are, in lines for people. */
export function describeRun({
  run_id,
  run_state,
  run_started_at,
  listed_at,
  last_applied_at,
}: Status): string[] {
  const ago = (time: string | null) => (time === null ? 'none yet' : `${readableAge(new Date(time))} ago`);
  const startedAt = run_started_at === null ? '' : new Date(run_started_at).toISOString();
  const works = `mechanism Y works since ${startedAt} (run ${run_id})`;
  const states: Record<Status['run_state'], string> = {
    none: 'no mechanism Y has worked yet',
    rebuilding: `mechanism Y stands by: npm run rebuild is at work since ${startedAt} (run ${run_id})`,
    ended: `no mechanism Y works: run ${run_id} has ended`,
    silent: `no mechanism Y works: run ${run_id} is gone without having ended`,
    not_listing: `${works}, and cannot list the bucket`,
    working: works,
    waiting: works,
  };
  return [
    states[run_state],
    `last chunk  ${ago(last_applied_at)}`,
    `listing     ${ago(listed_at)}${listed_at === null ? '' : ': what waits is as of that moment'}`,
  ];
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
    `lag         ${describeLag(status)}`,
  ];
  for (const { object_key, error } of quarantined) {
    lines.push(`quarantined ${printable(object_key)}: ${printable(error ?? '')}`);
  }
  const more = status.chunks_quarantined - quarantined.length;
  if (quarantined.length === SHOWN_QUARANTINED && more > 0)
    lines.push(`quarantined ${readable(more)} more: npm run quarantine lists all`);
  return lines.join('\n');
}
