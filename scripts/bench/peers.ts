import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { withResources, type CloseLater } from '../../src/async/resource-scope.js';
import { UserError } from '../../src/errors.js';
import { chunkName } from '../../src/s3/chunk-names.js';
import { figure, median, ratio, spread, type Figure } from './figures.js';
import { CHUNK_ROWS, type InputChunk } from './input.js';
import { openDuckdb } from './peers/duckdb.js';
import { duckdbHistory } from './peers/duckdb-history.js';
import { duckdbState } from './peers/duckdb-state.js';
import { openLiteralDesign } from './peers/literal-design.js';
import type { Detection, Peer, PeerName, Thresholds } from './peers/peer.js';
import type { Bench, BenchDatabase, Part } from './set-up.js';
import { openLane, type ChunkTiming, type TimedLane } from './timed-lane.js';

const COPY_WEIGHTS =
  'copy bankpulse.customer_weights (merchant_id, customer_id, average_weight) to stdout with (format csv, header)';
const READ_THRESHOLDS = `
  select jsonb_object_agg(key, value) as thresholds
  from bankpulse.patterns cross join jsonb_each_text(patterns.thresholds)
`;

/** A peer that is timed with some chunks and loads those between in bulk. It must find what BankPulse finds. */
export type Contender = ReturnType<typeof contenderOf>;
export const contenderOf = (peer: Peer) => ({
  ...peer,
  ms: new Map<number, number>(), // by chunk
  differences: [] as string[],
  skipped: [] as string[], // files for the next bulk load
});

/** Opens peers with the thresholds and weights that BankPulse has now. @param folder gets DuckDB's files */
export async function openContenders(
  names: readonly PeerName[],
  config: pg.ClientConfig,
  client: pg.Client,
  folder: string,
  closeLater: CloseLater,
): Promise<Contender[]> {
  await pipeline(client.query(copyTo(COPY_WEIGHTS)), createWriteStream(join(folder, 'weights.csv')));
  const { thresholds } = (await client.query<{ thresholds: Thresholds }>(READ_THRESHOLDS)).rows[0]!;
  const open: Record<PeerName, () => Promise<Peer>> = {
    views: () => openLiteralDesign(config, thresholds, closeLater),
    duckdb_history: () => openDuckdb(duckdbHistory, folder, thresholds, closeLater),
    duckdb_state: () => openDuckdb(duckdbState, folder, thresholds, closeLater),
  };
  const contenders: Contender[] = [];
  for (const name of names) contenders.push(contenderOf(await open[name]()));
  return contenders;
}

/** All detections of BankPulse so far. */
export async function readDetections(client: pg.Client): Promise<Detection[]> {
  const { rows } = await client.query<Detection>(`
    select pattern_id as pattern, merchant_id as merchant, customer_id as customer, chunk_no::int as chunk
    from bankpulse.detections
  `);
  return rows;
}

/** What only one of two lists has: `-` marks an expected detection, `+` an unexpected one. */
function differencesOf(expected: readonly Detection[], found: readonly Detection[]): string[] {
  const textOf = (each: Detection) => `${each.chunk} ${each.pattern} ${each.merchant} ${each.customer}`;
  const [wanted, had] = [expected.map(textOf), found.map(textOf)];
  const missing = wanted.filter((text) => !had.includes(text));
  const unexpected = had.filter((text) => !wanted.includes(text));
  return [...missing.map((text) => `- ${text}`), ...unexpected.map((text) => `+ ${text}`)];
}

/** Gives a chunk to the bare COPY, to BankPulse, and to the contenders that take part; the others skip it. */
export async function timeInTurn(
  lane: TimedLane,
  chunk: InputChunk,
  contenders: readonly Contender[],
  folder: string,
  takesPart: (name: PeerName) => boolean,
): Promise<ChunkTiming> {
  const { number } = chunk;
  const file = join(folder, chunkName(number));
  await writeFile(file, chunk.content);
  const timing = await lane.time(chunk);
  const detections = await readDetections(lane.control);
  const expected = detections.filter((detection) => detection.chunk === number);
  const earlier = detections.filter((detection) => detection.chunk < number);
  for (const { skipped } of contenders.filter(({ name }) => !takesPart(name))) skipped.push(file);
  for (const peer of contenders.filter(({ name }) => takesPart(name))) {
    if (peer.skipped.length > 0) await peer.load(peer.skipped.splice(0), earlier);
    const start = performance.now();
    const found = await peer.apply({ ...chunk, file });
    peer.ms.set(number, performance.now() - start);
    peer.differences.push(...differencesOf(expected, found).map((line) => `${peer.name} ${line}`));
  }
  return timing;
}

/** @throws UserError if a peer found other detections than BankPulse. */
export function checkAlike(contenders: readonly Contender[]): void {
  const some = contenders.flatMap(({ differences }) => differences.slice(0, 10));
  if (some.length === 0) return;
  const about = 'peers differ from BankPulse (- missing, + too much: chunk pattern merchant customer)';
  throw new UserError([about, ...some].join('\n  '));
}

/** The times of one way to do the work, in milliseconds by chunk. */
type Times = { name: string; about: string; ms: ReadonlyMap<number, number> };

/** Of chunks 6 to 10, and of the last full ones. */
const TIMED_CHUNKS = 5;
const isEarly = (chunk: number) => chunk > 10 - TIMED_CHUNKS && chunk <= 10;
const isLate = (chunk: number, lastChunk: number) => chunk > lastChunk - TIMED_CHUNKS && chunk <= lastChunk;
const TARGETS: Record<string, { least: number }> = { views: { least: 15 }, duckdb_history: { least: 2 } };

/** @param times of BankPulse and others; a ratio is that of the medians of the last chunks that both took part in */
export function peerFigures(times: readonly Times[], lastChunk: number): Figure[] {
  const some = (ms: Times['ms'], isWanted: (chunk: number) => boolean) =>
    [...ms].filter(([chunk]) => isWanted(chunk)).map(([, each]) => each);
  const ours = times.find(({ name }) => name === 'bankpulse')!.ms;
  return times.flatMap(({ name, about, ms }) => {
    const early = some(ms, isEarly);
    const late = some(ms, (chunk) => isLate(chunk, lastChunk));
    const oursLate = some(ours, (chunk) => isLate(chunk, lastChunk) && ms.has(chunk));
    const perOurs = ratio(median(late), median(oursLate));
    const perOursText = `${about} / BankPulse, last chunks`;
    const figures = [
      figure(`${name}_chunks_6_to_10_ms`, `${about}, chunks 6 to 10`, 'ms', spread(early)),
      figure(`${name}_last_ms`, `${about}, last chunks`, 'ms', spread(late)),
      figure(`${name}_per_bankpulse`, perOursText, 'times', perOurs, TARGETS[name]),
    ];
    return figures.slice(early.length < TIMED_CHUNKS ? 1 : 0, name === 'bankpulse' ? 2 : 3);
  });
}

async function measurePeers({ input, folder, log }: Bench, { config }: BenchDatabase): Promise<Figure[]> {
  const lastChunk = Math.floor(input.rows / CHUNK_ROWS);
  const [bare, ours] = [new Map<number, number>(), new Map<number, number>()];
  return withResources(log, async (closeLater) => {
    const lane = await openLane(config);
    closeLater(lane.close);
    const names = ['views', 'duckdb_history', 'duckdb_state'] as const;
    const contenders = await openContenders(names, config, lane.control, folder, closeLater);
    for await (const chunk of input.chunks()) {
      const { number, rows } = chunk;
      if (rows < CHUNK_ROWS) break;
      const takesPart = (name: PeerName) => name !== 'views' || isEarly(number) || isLate(number, lastChunk);
      const { bareMs, applyMs } = await timeInTurn(lane, chunk, contenders, folder, takesPart);
      bare.set(number, bareMs);
      ours.set(number, applyMs);
    }
    checkAlike(contenders);
    const bareCopy = { name: 'bare_copy', about: 'bare COPY', ms: bare };
    const bankPulse = { name: 'bankpulse', about: 'BankPulse', ms: ours };
    return peerFigures([bareCopy, bankPulse, ...contenders], lastChunk);
  });
}

export const peers: Part = {
  name: 'peers',
  about: `Peers: each chunk in turn to other ways to do the same work, from its bytes to committed detections, which must be those
of BankPulse. PostgreSQL with views takes part in chunks 6 to 10 and the last ${TIMED_CHUNKS} full ones, DuckDB in all.`,
  measure: (bench) => bench.useDatabase((database) => measurePeers(bench, database)),
};
