import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { connect } from '../../../src/database.js';
import { chunkName } from '../../../src/chunk-names.js';
import type { ChunkTiming } from '../chunk-timing.js';
import type { Bench } from '../context.js';
import type { BenchDatabase } from '../databases.js';
import { CHUNK_ROWS, type InputChunk } from '../input.js';
import { Contender } from '../peers/contender.js';
import { Contest } from '../peers/contest.js';
import { openPeers } from '../peers/open-peers.js';
import type { PeerName } from '../peers/peer.js';
import { readStateSize, type StateSize } from './state-size.js';
import { GrowthStream } from './stream.js';
import { WorkingY } from './y.js';

const SEED = 1;
/** Where Y stops, in shares of the stream; the next chunks are timed. */
const SHARES = [0.01, 0.5, 1];
const TIMED_CHUNKS = 10;
/** Of those, how many the peers take part in. */
const PEER_CHUNKS = 5;
const PEERS: readonly PeerName[] = ['duckdb_history', 'duckdb_state'];

/** What was seen at one point of the stream. */
export interface GrowthStage {
  share: number;
  /** Rows before the first chunk that was timed. */
  rows: number;
  timings: ChunkTiming[];
  /** Milliseconds per chunk. */
  peerMs: Partial<Record<PeerName, number[]>>;
  stateSize: StateSize;
  /** Of the Y that worked up to here: just before its end, and at most, in bytes. */
  rssBytes: number;
  peakRssBytes: number;
}

export interface Growth {
  rows: number;
  customers: number;
  /** Merchants above the threshold at the end. */
  busyMerchants: number;
  detections: Record<string, number>;
  /** Of Y after its first chunk, in bytes. */
  firstRssBytes: number;
  stages: GrowthStage[];
  /** What a peer found otherwise than BankPulse; empty if all is well. */
  differences: string[];
}

/** The stream, and where its chunks go: to the bucket, and to files for the peers. */
class Feed {
  readonly #chunks: Iterator<InputChunk, void>;
  #last = 0;

  constructor(
    stream: GrowthStream,
    private readonly bench: Bench,
    readonly prefix: string,
    private readonly folder: string,
  ) {
    this.#chunks = stream.chunks();
  }

  next(): InputChunk {
    const { value } = this.#chunks.next();
    if (!value) throw new Error('the stream is at its end');
    this.#last = value.number;
    return value;
  }

  /** Puts chunks into the bucket, up to this one. @returns their files */
  async put(until: number): Promise<string[]> {
    const files: string[] = [];
    while (this.#last < until) {
      this.bench.signal.throwIfAborted();
      const { number, content } = this.next();
      const name = chunkName(number);
      files.push(join(this.folder, name));
      await writeFile(files.at(-1)!, content);
      await this.bench.bucket.store.put(`${this.prefix}${name}`, content, 'text/csv');
    }
    return files;
  }
}

async function scaleThreshold(client: pg.Client, transactions: number): Promise<void> {
  await client.query(
    `update bankpulse.patterns
     set thresholds = thresholds || jsonb_build_object('merchant_transactions_above', $1::bigint)
     where pattern_id = 'PatId1'`,
    [transactions],
  );
}

async function countDetections(client: pg.Client): Promise<Record<string, number>> {
  const { rows } = await client.query<{ pattern: string; count: number }>(
    `select pattern_id as pattern, count(*)::int as count
     from bankpulse.detections group by pattern_id order by pattern_id`,
  );
  return Object.fromEntries(rows.map(({ pattern, count }) => [pattern, count]));
}

async function countBusyMerchants(client: pg.Client, transactions: number): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    'select count(*)::int as count from bankpulse.merchant_stats where transaction_count > $1',
    [transactions],
  );
  return rows[0]!.count;
}

/** Lets the contest have the next chunks. */
async function timeStage(
  config: pg.ClientConfig,
  folder: string,
  feed: Feed,
  contenders: readonly Contender[],
  signal: AbortSignal,
): Promise<Pick<GrowthStage, 'timings' | 'peerMs'>> {
  const contest = await Contest.open(config, folder);
  const peerMs: GrowthStage['peerMs'] = {};
  try {
    const timings: ChunkTiming[] = [];
    while (timings.length < TIMED_CHUNKS) {
      signal.throwIfAborted();
      const chunk = feed.next();
      const takesPart = timings.length < PEER_CHUNKS;
      timings.push(await contest.time(chunk, contenders, () => takesPart));
      for (const { peer, ms } of takesPart ? contenders : [])
        (peerMs[peer.name] ??= []).push(ms.get(chunk.number)!);
    }
    return { timings, peerMs };
  } finally {
    await contest.close();
  }
}

async function grow(
  bench: Bench,
  { config, env: databaseEnv }: BenchDatabase,
  stream: GrowthStream,
  folder: string,
): Promise<Growth> {
  const { bucket, signal } = bench;
  const importanceCsv = join(folder, 'CustomerImportance.csv');
  await writeFile(importanceCsv, Readable.from(stream.importance()));
  const feed = new Feed(stream, bench, `${bucket.prefix}growth/`, folder);
  const env = {
    ...databaseEnv,
    IMPORTANCE_CSV: importanceCsv,
    CHUNKS_PREFIX: feed.prefix,
    DETECTIONS_PREFIX: `${bucket.prefix}growth-detections/`,
  };
  const control = await connect(config);
  let contenders: Contender[] = [];
  let y: WorkingY | undefined;
  let firstRssBytes: number | undefined;
  const stages: GrowthStage[] = [];
  try {
    await scaleThreshold(control, stream.busyMerchantTransactions);
    for (const share of SHARES) {
      // what is timed last is the end of the stream
      const lastChunk = Math.min(Math.round(share * stream.chunkCount), stream.chunkCount - TIMED_CHUNKS);
      const files: string[] = [];
      y = await WorkingY.start(control, env, signal);
      if (firstRssBytes === undefined) {
        files.push(...(await feed.put(1)));
        await y.reaches(1);
        firstRssBytes = await y.rssBytes();
      }
      files.push(...(await feed.put(lastChunk)));
      await y.reaches(lastChunk);
      const rssBytes = await y.rssBytes();
      await y.stop();
      // now there are the weights they need
      if (contenders.length === 0)
        contenders = (await openPeers(PEERS, config, folder)).map((peer) => new Contender(peer));
      for (const contender of contenders) files.forEach((file) => contender.skip(file));
      stages.push({
        share,
        rows: lastChunk * CHUNK_ROWS,
        ...(await timeStage(config, folder, feed, contenders, signal)),
        stateSize: await readStateSize(control),
        rssBytes,
        peakRssBytes: y.peakRssBytes,
      });
    }
    return {
      rows: stream.rows,
      customers: stream.customerCount,
      busyMerchants: await countBusyMerchants(control, stream.busyMerchantTransactions),
      detections: await countDetections(control),
      firstRssBytes: firstRssBytes!,
      stages,
      differences: contenders.flatMap(({ differences }) => differences),
    };
  } finally {
    await y?.stop().catch(() => undefined);
    for (const { peer } of contenders) await peer.close();
    await control.end();
  }
}

/** Lets a stream of so many rows run through. */
export async function runGrowth(bench: Bench, rows: number): Promise<Growth> {
  const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-growth-'));
  try {
    const stream = new GrowthStream(rows, SEED);
    return await bench.databases.use((database) => grow(bench, database, stream, folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
