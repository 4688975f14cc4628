import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { withResources } from '../../../src/async/resource-scope.js';
import { connect } from '../../../src/database/connection.js';
import type { Bench } from '../context.js';
import type { BenchDatabase } from '../databases.js';
import { Beginning } from './beginning.js';
import { Feed } from './feed.js';
import { scaleThreshold } from './scale-threshold.js';
import { runStages, type Stages } from './stages.js';
import { GrowthStream } from './stream.js';

const SEED = 1;

export interface Growth extends Stages {
  rows: number;
  customers: number;
  /** Merchants above the threshold at the end. */
  busyMerchants: number;
  detections: Record<string, number>;
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

async function grow(
  { bucket, log, signal }: Bench,
  { config, env: databaseEnv }: BenchDatabase,
  beginning: BenchDatabase,
  stream: GrowthStream,
  folder: string,
): Promise<Growth> {
  const importanceCsv = join(folder, 'CustomerImportance.csv');
  await writeFile(importanceCsv, Readable.from(stream.importance()));
  const feed = new Feed(stream, bucket.store, `${bucket.prefix}growth/`, folder, signal);
  const env = {
    ...databaseEnv,
    IMPORTANCE_CSV: importanceCsv,
    CHUNKS_PREFIX: feed.prefix,
    DETECTIONS_PREFIX: `${bucket.prefix}growth-detections/`,
  };
  return withResources(log, async (closeLater) => {
    const control = await connect(config);
    closeLater(() => control.end());
    await scaleThreshold(control, stream.busyMerchantTransactions);
    const openBeginning = (chunkCount: number) =>
      Beginning.open(beginning, stream, importanceCsv, chunkCount, { log, signal });
    const run = { config, control, env, feed, openBeginning, folder, signal };
    const found = await runStages(run, stream.chunkCount, closeLater);
    return {
      ...found,
      rows: stream.rows,
      customers: stream.customerCount,
      busyMerchants: await countBusyMerchants(control, stream.busyMerchantTransactions),
      detections: await countDetections(control),
    };
  });
}

/** Lets a stream of so many rows run through. */
export async function runGrowth(bench: Bench, rows: number): Promise<Growth> {
  const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-growth-'));
  try {
    const stream = new GrowthStream(rows, SEED);
    return await bench.databases.use((database) =>
      bench.databases.use((beginning) => grow(bench, database, beginning, stream, folder), 'bench_beginning'),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
