import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import getPort from 'get-port';
import { projectDir } from '../../src/config.js';
import { connect } from '../../src/database/connection.js';
import { produce } from '../../src/producer/producer.js';
import { nodeOptions } from '../../test/support/node-options.js';
import { figure, median, ratio, spread, type Figure } from './figures.js';
import { CHUNK_ROWS } from './input.js';
import type { ObjectRequest, Report } from './report-requests.js';
import type { Bench, BenchDatabase, Part } from './set-up.js';
import { timeBareCopy } from './timed-lane.js';

/** Of Y; X does not reach the limits. The second import needs the first. */
const NODE_OPTIONS = [
  ...nodeOptions,
  ...['--import', 'tsx', '--import', new URL('report-requests.ts', import.meta.url).href],
];

/** Milliseconds since 1970, with fractions: one clock for all processes of a machine. */
const wallClock = () => performance.timeOrigin + performance.now();

/** X or Y as a process, as a user runs it; the signal ends it. */
type Mechanism = Awaited<ReturnType<typeof startMechanism>>;

/** @param more is added to the environment, which names the input and the database */
export async function startMechanism(
  args: string[],
  { input, signal }: Bench,
  database: BenchDatabase,
  more: Record<string, string>,
) {
  const env = {
    ...process.env,
    ...database.env,
    TRANSACTIONS_CSV: input.transactionsCsv,
    IMPORTANCE_CSV: input.importanceCsv,
    CHUNK_ROWS: String(CHUNK_ROWS),
    DASHBOARD_PORT: String(await getPort()), // Y serves the dashboard, as for a user
    ...more,
  };
  const startedAt = wallClock();
  const child = spawn(process.execPath, [...NODE_OPTIONS, 'src/cli.ts', ...args], {
    cwd: projectDir,
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    signal,
  });
  let log = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-2000)));
  const requests: ObjectRequest[] = [];
  const rssBytes: number[] = []; // every 100 ms
  child.on('message', (report: Report) => {
    if ('rssBytes' in report) rssBytes.push(report.rssBytes);
    else requests.push(report);
  });
  const ended = new Promise<void>((resolve, reject) => {
    // after the signal the process gets a SIGTERM, and `close` still comes
    child.on('error', (error) => (error.name === 'AbortError' ? undefined : reject(error)));
    const fail = (code: number | null) => reject(new Error(`${args.join(' ')} ended with ${code}: ${log}`));
    child.once('close', (code) => (code === 0 ? resolve() : fail(code)));
  });
  ended.catch(() => undefined); // the callers of `pause` and `stop` get the error
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  return {
    startedAt,
    rssBytes,
    /** Resolves when the process ends with 0; rejects with the end of its log if it ends otherwise. */
    ended,
    hasEnded,
    /** When these requests reached this phase, in order: those for one object, or for all. */
    times: (phase: ObjectRequest['phase'], method: string, name?: string) =>
      requests
        .filter((each) => each.phase === phase && each.method === method && (name ?? each.name) === each.name)
        .map(({ at }) => at),
    /** Waits. @throws if the process has ended. */
    async pause(ms: number): Promise<void> {
      await sleep(ms);
      if (!hasEnded()) return;
      await ended;
      throw new Error('mechanism Y ended too early');
    },
    /** Sends SIGTERM and waits for the end. */
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

const COUNT_APPLIED = 'select chunks_applied::int as applied from bankpulse.pipeline_status';

/** Bare COPYs of all chunks, then Y. @throws if not every chunk was applied */
async function timeRound(bench: Bench, database: BenchDatabase, env: Record<string, string>) {
  const { input } = bench;
  const client = await connect(database.config);
  try {
    let bareMs = 0;
    for await (const { content } of input.chunks()) bareMs += (await timeBareCopy(client, content)).bareMs;
    const y = await startMechanism(['detect', '--once'], bench, database, env);
    await y.ended;
    const { applied } = (await client.query<{ applied: number }>(COUNT_APPLIED)).rows[0]!;
    if (applied !== input.chunkCount)
      throw new Error(`${applied} of ${input.chunkCount} chunks were applied`);
    const firstGetAt = y.times('start', 'GET')[0]!;
    const lastFileAt = y.times('answer', 'PUT').at(-1); // undefined if nothing was detected
    const catchUpMs = lastFileAt && lastFileAt - firstGetAt;
    return { bareMs, startMs: firstGetAt - y.startedAt, catchUpMs, peakRssBytes: Math.max(...y.rssBytes) };
  } finally {
    await client.end();
  }
}

export const catchUp: Part = {
  name: 'catch-up',
  about: `Catch-up: all chunks wait in S3. \`npm run detect -- --once\` applies them; timed from its first GET until the last
detection file is stored, in each of some rounds (\`--rounds\`) after a bare COPY of all chunks. Y's start-up is a figure of its own.`,
  async measure(bench) {
    const { input, rounds: roundCount, store, prefix, log, signal } = bench;
    const CHUNKS_PREFIX = `${prefix}backlog/`;
    const paths = { TRANSACTIONS_CSV: input.transactionsCsv, CHUNKS_PREFIX };
    await produce({ store, settings: { ...paths, CHUNK_ROWS, CHUNK_INTERVAL_MS: 0 }, log, signal });
    signal.throwIfAborted();
    const rounds: Awaited<ReturnType<typeof timeRound>>[] = [];
    for (let round = 1; round <= roundCount; round++) {
      const env = { CHUNKS_PREFIX, DETECTIONS_PREFIX: `${prefix}round-${round}/` };
      rounds.push(await bench.useDatabase((database) => timeRound(bench, database, env)));
    }
    const startMs = rounds.map((round) => round.startMs);
    const bareMs = rounds.map((round) => round.bareMs);
    const catchUpMs = rounds.flatMap((round) => round.catchUpMs ?? []);
    const perSecond = (ms: number[]) => ratio(1000 * input.rows, median(ms));
    const perBare = ratio(median(bareMs), median(catchUpMs));
    const peakMb = Math.max(...rounds.map(({ peakRssBytes }) => peakRssBytes)) / 1e6;
    return [
      figure('start_up_ms', "Y's start to its first GET", 'ms', spread(startMs)),
      figure('bare_copy_ms', 'bare COPY of all chunks', 'ms', spread(bareMs)),
      figure('catch_up_ms', 'catch-up', 'ms', spread(catchUpMs)),
      figure('bare_copy_rows_per_s', 'bare COPY', 'rows/s', perSecond(bareMs)),
      figure('catch_up_rows_per_s', 'catch-up', 'rows/s', perSecond(catchUpMs)),
      figure('catch_up_per_bare_copy', 'rows/s of catch-up / bare COPY', 'times', perBare, { least: 0.45 }),
      figure('y_rss_mb', "Y's memory at most (RSS), catching up", 'MB', peakMb, { most: 200 }),
    ];
  },
};

const MAX_CHUNKS = 60; // one minute
const BATCH_ROWS = 5; // with the default of 50, only two files would be full
const LOOK_MS = 5; // between two queries of the ledger

const IS_LISTENING = 'select from bankpulse.runs where listed_at is not null';
const NEW_CHUNKS = 'select object_key from bankpulse.chunks where chunk_no > $1 order by chunk_no';
/** The full files, each with the chunk that filled it. */
const FULL_FILES = `
  select regexp_replace(batches.object_key, '.*/', '') as file, regexp_replace(max(chunks.object_key), '.*/', '') as chunk
  from bankpulse.detection_batches as batches
  inner join bankpulse.detections using (batch_no)
  inner join bankpulse.chunks using (chunk_no)
  where batches.row_count = $1
  group by batches.object_key
`;

async function measureStream(bench: Bench, database: BenchDatabase): Promise<Figure[]> {
  const prefix = `${bench.prefix}stream/`;
  const env = {
    CHUNKS_PREFIX: prefix,
    DETECTIONS_PREFIX: `${bench.prefix}stream-detections/`,
    CHUNK_INTERVAL_MS: '1000',
    BATCH_ROWS: String(BATCH_ROWS),
  };
  const client = await connect(database.config);
  const y = await startMechanism(['detect'], bench, database, env);
  let x: Mechanism | undefined;
  try {
    while ((await client.query(IS_LISTENING)).rowCount === 0) await y.pause(LOOK_MS);
    x = await startMechanism(['produce'], bench, database, env);
    // when each chunk was seen in the ledger, by the object's name
    const seenAt = new Map<string, number>();
    while (seenAt.size < Math.min(MAX_CHUNKS, bench.input.chunkCount)) {
      await y.pause(LOOK_MS);
      if (x.hasEnded()) await x.ended; // throws if X failed
      if (x.times('start', 'PUT').length <= seenAt.size) continue;
      const { rows } = await client.query<{ object_key: string }>(NEW_CHUNKS, [seenAt.size]);
      for (const { object_key } of rows) seenAt.set(object_key.slice(prefix.length), wallClock());
    }
    await x.stop();
    await y.stop();

    const { rows: files } = await client.query<{ file: string; chunk: string }>(FULL_FILES, [BATCH_ROWS]);
    const putAt = (chunk: string) => x!.times('start', 'PUT', chunk)[0]!;
    const storedAt = (file: string) => y.times('answer', 'PUT', file).slice(0, 1);
    const databaseMs = [...seenAt].map(([chunk, at]) => at - putAt(chunk));
    const fileMs = files.flatMap(({ file, chunk }) => storedAt(file).map((at) => at - putAt(chunk)));
    const most = { most: 500, of: 'p99' } as const;
    const peakMb = Math.max(...y.rssBytes) / 1e6;
    return [
      figure('chunks', 'chunks', 'chunks', databaseMs.length),
      figure('database_ms', 'put to detections in the database', 'ms', spread(databaseMs, true), most),
      figure('full_files', 'full files', 'files', fileMs.length),
      figure('file_ms', 'put to file in S3', 'ms', spread(fileMs, true)),
      figure('y_rss_mb', "Y's memory at most (RSS), listening", 'MB', peakMb, { most: 200 }),
    ];
  } finally {
    for (const each of [x, y]) await each?.stop().catch(() => undefined); // its failure was thrown above
    await client.end();
  }
}

export const latency: Part = {
  name: 'latency',
  about: `Latency: \`npm run produce\` writes ${MAX_CHUNKS} chunks, one a second, while \`npm run detect\` listens; from the start of X's PUT
until the chunk and its detections are in the database, and until the file with them is stored in S3. A file holds
${BATCH_ROWS} detections instead of 50, so that more than two are full; only full ones count.`,
  measure: (bench) => bench.useDatabase((database) => measureStream(bench, database)),
};
