import getPort from 'get-port';
import { connect } from '../../src/database/connection.js';
import { produce } from '../../src/producer/producer.js';
import { BareCopy } from './bare-copy.js';
import type { Bench } from './context.js';
import type { BenchDatabase } from './databases.js';
import { CHUNK_ROWS, type Input } from './input.js';
import { median, ratio, spread } from './measure.js';
import { Mechanism } from './mechanism.js';
import type { Part } from './part.js';

const ROUNDS = 3;

interface Round {
  /** The sum of all chunks, each with its commit. */
  bareMs: number;
  /** From the start of the process to the first GET. */
  startMs: number;
  /** From the first GET to the answer to the last detection file's PUT; undefined where nothing was detected. */
  catchUpMs: number | undefined;
  peakRssBytes: number;
}

/** A bare COPY of all chunks. @returns milliseconds */
async function timeBareCopies({ config }: BenchDatabase, input: Input, signal: AbortSignal): Promise<number> {
  const client = await connect(config);
  try {
    const bareCopy = await BareCopy.open(client);
    let ms = 0;
    for await (const { content } of input.chunks(signal)) {
      ms += await bareCopy.time(content);
      await bareCopy.empty();
    }
    return ms;
  } finally {
    await client.end();
  }
}

/** @throws if not every chunk was applied: no time counts then. */
async function checkApplied({ config }: BenchDatabase, chunkCount: number): Promise<void> {
  const client = await connect(config);
  try {
    const { rows } = await client.query<{ chunks_applied: string }>(
      'select chunks_applied from bankpulse.pipeline_status',
    );
    const applied = Number(rows[0]!.chunks_applied);
    if (applied !== chunkCount) throw new Error(`${applied} of ${chunkCount} chunks were applied`);
  } finally {
    await client.end();
  }
}

async function timeRound(bench: Bench, database: BenchDatabase, env: Record<string, string>): Promise<Round> {
  const bareMs = await timeBareCopies(database, bench.input, bench.signal);
  const y = Mechanism.start(['detect', '--once'], { ...env, ...database.env }, bench.signal);
  await y.ended;
  await checkApplied(database, bench.input.chunkCount);
  const firstGetAt = y.firstAt('begun', 'GET', /^chunk-/)!;
  const lastFileAt = y.lastAt('answered', 'PUT', /^detections-/);
  return {
    bareMs,
    startMs: firstGetAt - y.startedAt,
    catchUpMs: lastFileAt === undefined ? undefined : lastFileAt - firstGetAt,
    peakRssBytes: y.peakRssBytes,
  };
}

/** The whole input in the bucket. @returns the prefix of its chunks */
async function uploadBacklog({ input, bucket, log, signal }: Bench): Promise<string> {
  const prefix = `${bucket.prefix}backlog/`;
  const settings = {
    TRANSACTIONS_CSV: input.transactionsCsv,
    CHUNK_ROWS,
    CHUNK_INTERVAL_MS: 0,
    CHUNKS_PREFIX: prefix,
  };
  await produce({ store: bucket.store, settings, log, signal });
  signal.throwIfAborted();
  return prefix;
}

export const catchUp: Part = {
  name: 'catch-up',
  about: `Catch-up: all chunks wait in S3; \`npm run detect -- --once\` applies them, from the first GET to the last detection file
stored. Before each of ${ROUNDS} rounds a bare COPY of all chunks. Y's start-up is printed apart.`,
  async measure(bench) {
    const { databases, bucket, input } = bench;
    const backlog = await uploadBacklog(bench);
    const rounds: Round[] = [];
    while (rounds.length < ROUNDS) {
      const env = {
        IMPORTANCE_CSV: input.importanceCsv,
        CHUNKS_PREFIX: backlog,
        DETECTIONS_PREFIX: `${bucket.prefix}round-${rounds.length + 1}/`,
        // with the dashboard, as a user has it, on a port that is free
        DASHBOARD_PORT: String(await getPort()),
      };
      rounds.push(await databases.use((database) => timeRound(bench, database, env)));
    }
    const bareMs = rounds.map((round) => round.bareMs);
    const catchUpMs = rounds.flatMap((round) => round.catchUpMs ?? []);
    const perSecond = (ms: number | undefined) => ratio(1000 * input.rows, ms);
    return [
      {
        key: 'start_up_ms',
        what: "Y's start to its first GET",
        unit: 'ms',
        value: spread(rounds.map(({ startMs }) => startMs)),
      },
      { key: 'bare_copy_ms', what: 'bare COPY of all chunks', unit: 'ms', value: spread(bareMs) },
      { key: 'catch_up_ms', what: 'catch-up', unit: 'ms', value: spread(catchUpMs) },
      {
        key: 'bare_copy_rows_per_s',
        what: 'bare COPY',
        unit: 'rows/s',
        value: perSecond(median(bareMs)),
      },
      { key: 'catch_up_rows_per_s', what: 'catch-up', unit: 'rows/s', value: perSecond(median(catchUpMs)) },
      {
        key: 'catch_up_per_bare_copy',
        what: 'rows/s of catch-up / bare COPY',
        unit: 'times',
        value: ratio(median(bareMs), median(catchUpMs)),
        target: { least: 0.45 },
      },
      {
        key: 'y_rss_mb',
        what: "Y's memory at most (RSS), catching up",
        unit: 'MB',
        value: Math.max(...rounds.map(({ peakRssBytes }) => peakRssBytes)) / 1e6,
        target: { most: 200 },
      },
    ];
  },
};
