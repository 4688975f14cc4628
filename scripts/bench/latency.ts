import { setTimeout as sleep } from 'node:timers/promises';
import getPort from 'get-port';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import type { Bench } from './context.js';
import type { BenchDatabase } from './databases.js';
import { CHUNK_ROWS } from './input.js';
import { longSpread } from './measure.js';
import { Mechanism } from './mechanism.js';
import type { Part } from './part.js';
import { wallClock } from './wall-clock.js';

const CHUNK_INTERVAL_MS = 1000;
/** A minute of them. */
const MAX_CHUNKS = 60;
/** So that enough files are full: with 50 there would be two. */
const BATCH_ROWS = 5;
/** How long a look at the ledger lies behind the one before. */
const LOOK_MS = 5;

interface Latencies {
  /** Per chunk, in milliseconds from the begin of its PUT until it is seen in the ledger. */
  databaseMs: number[];
  /** Per full file, from the begin of the PUT of the chunk that filled it until it is stored. */
  fileMs: number[];
  yPeakRssBytes: number;
}

/** Resolves when a query has a row. */
async function appears(client: pg.Client, text: string, values: unknown[] = []): Promise<void> {
  while ((await client.query(text, values)).rowCount === 0) await sleep(LOOK_MS);
}

/** Has X write chunks until there are enough. @returns when each PUT began, and when the chunk was seen in the ledger */
async function follow(x: Mechanism, client: pg.Client, prefix: string) {
  const begun = new Map<string, number>();
  const seen: Promise<[name: string, at: number]>[] = [];
  const enough = new Promise<void>((resolve) => {
    let stored = 0;
    x.onRequest = ({ phase, method, name, at }) => {
      if (method !== 'PUT') return;
      if (phase === 'answered') {
        if (++stored === MAX_CHUNKS) resolve();
      } else if (!begun.has(name)) {
        begun.set(name, at);
        const look = appears(client, 'select from bankpulse.chunks where object_key = $1', [prefix + name]);
        const sight = look.then((): [string, number] => [name, wallClock()]);
        sight.catch(() => undefined); // looked at in the end
        seen.push(sight);
      }
    };
  });
  await Promise.race([enough, x.ended]);
  await x.stop();
  return { begun, seen: new Map(await Promise.all(seen)) };
}

/** The name of each full file's object, and that of the chunk that filled it. */
async function fullFiles(client: pg.Client): Promise<{ file: string; chunk: string }[]> {
  const { rows } = await client.query<{ file: string; chunk: string }>(
    `select regexp_replace(batches.object_key, '.*/', '') as file,
        regexp_replace(max(chunks.object_key), '.*/', '') as chunk
      from bankpulse.detection_batches as batches
      join bankpulse.detections as detections using (batch_no)
      join bankpulse.chunks as chunks using (chunk_no)
      where batches.row_count = $1
      group by batches.object_key`,
    [BATCH_ROWS],
  );
  return rows;
}

async function timeStream(bench: Bench, database: BenchDatabase): Promise<Latencies> {
  const { input, bucket, signal } = bench;
  const prefix = `${bucket.prefix}stream/`;
  const env = {
    ...database.env,
    TRANSACTIONS_CSV: input.transactionsCsv,
    IMPORTANCE_CSV: input.importanceCsv,
    CHUNKS_PREFIX: prefix,
    DETECTIONS_PREFIX: `${bucket.prefix}stream-detections/`,
    CHUNK_ROWS: String(CHUNK_ROWS),
    CHUNK_INTERVAL_MS: String(CHUNK_INTERVAL_MS),
    BATCH_ROWS: String(BATCH_ROWS),
    // with the dashboard, as a user has it, on a port that is free
    DASHBOARD_PORT: String(await getPort()),
  };
  const client = await connect(database.config);
  const y = Mechanism.start(['detect'], env, signal);
  try {
    const whileYLives = <Result>(work: Promise<Result>) =>
      Promise.race([
        work,
        y.ended.then(() => {
          throw new Error('mechanism Y ended');
        }),
      ]);
    await whileYLives(appears(client, 'select from bankpulse.runs where listed_at is not null'));
    const x = Mechanism.start(['produce'], env, signal);
    const { begun, seen } = await whileYLives(follow(x, client, prefix)).finally(() => x.stop());
    await y.stop();
    const files = await fullFiles(client);
    return {
      databaseMs: [...seen].map(([name, at]) => at - begun.get(name)!),
      fileMs: files.flatMap(({ file, chunk }) => {
        const storedAt = y.requests.find(
          ({ phase, method, name }) => phase === 'answered' && method === 'PUT' && name === file,
        )?.at;
        return storedAt === undefined ? [] : [storedAt - begun.get(chunk)!];
      }),
      yPeakRssBytes: y.peakRssBytes,
    };
  } finally {
    await y.stop().catch(() => undefined);
    await client.end();
  }
}

export const latency: Part = {
  name: 'latency',
  about: `Latency: \`npm run produce\` writes a chunk a second, ${MAX_CHUNKS} of them, while \`npm run detect\` listens; from the begin of
X's PUT until the chunk with its detections is seen in the database, and until the file with them is stored in S3. Files of
${BATCH_ROWS} detections instead of 50, full ones only, so that there are more than two.`,
  async measure(bench) {
    const { databaseMs, fileMs, yPeakRssBytes } = await bench.databases.use((database) =>
      timeStream(bench, database),
    );
    return [
      { key: 'chunks', what: 'chunks', unit: 'chunks', value: databaseMs.length },
      {
        key: 'database_ms',
        what: 'put to detections in the database',
        unit: 'ms',
        value: longSpread(databaseMs),
        target: { most: 500, of: 'p99' },
      },
      { key: 'full_files', what: 'full files', unit: 'files', value: fileMs.length },
      { key: 'file_ms', what: 'put to file in S3', unit: 'ms', value: longSpread(fileMs) },
      {
        key: 'y_rss_mb',
        what: "Y's memory at most (RSS), listening",
        unit: 'MB',
        value: yPeakRssBytes / 1e6,
        target: { most: 200 },
      },
    ];
  },
};
