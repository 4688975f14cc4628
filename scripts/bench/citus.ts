import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { mean } from 'simple-statistics';
import { withResources, type CloseLater } from '../../src/async/resource-scope.js';
import { transactionColumns } from '../../src/csv/header.js';
import { connect } from '../../src/database/connection.js';
import { DEFAULT_SHARDS } from '../../src/database/distribution.js';
import { SqlFunctions } from '../../src/database/functions.js';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { UserError } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { bufferedObject } from '../../src/loader/object-content.js';
import { stageCsv } from '../../src/loader/stage.js';
import { chunkName } from '../../src/s3/chunk-names.js';
import { openCluster, type Cluster } from './citus-cluster.js';
import { figure, ratio, spread, type Figure } from './figures.js';
import { growthStream } from './growth-stream.js';
import type { InputChunk } from './input.js';
import { usedBetween } from './server-cpu.js';
import type { Part } from './set-up.js';
import { openLane, type TimedLane } from './timed-lane.js';

/** A stream of so many rows has a tenth as many customers; only its first chunks are applied. */
const STREAM_ROWS = 10_000_000;
const SIZE = { chunks: 60, weights: 100_000, mostWorkers: Infinity };
/** The sessions that the coordinator opens to a worker for one session of Y. */
const SESSIONS = 2;

/** Where the same chunks are applied: over some workers, or with none on a plain database. */
export type Setting = { workers: number; sessions: number };
/** What chunks cost: the processor time of the coordinator and of each worker, in ms; none where it cannot be seen. */
export type Costs = Setting & { chunks: { applyMs: number; cpuMs: number[] | undefined }[] };
/** What the coordinator sends for one chunk: the most that a shard gets, and the mean of the rest over the sessions. */
export type Statements = { perShard: number; besidesPerSession: number };

const settingsFor = (workers: number): Setting[] => [
  { workers: 0, sessions: SESSIONS },
  ...Array.from({ length: workers }, (_, index) => ({ workers: index + 1, sessions: SESSIONS })),
  { workers, sessions: 1 },
];

/** The configuration of Y's sessions: Citus keeps as many sessions to a worker as it uses. */
const withSessions = (config: pg.ClientConfig, sessions: number, more = '') => ({
  ...config,
  options: `-c citus.max_adaptive_executor_pool_size=${sessions} -c citus.max_cached_conns_per_worker=${sessions}${more}`,
});

const SHARDS_OF = 'select shardid::text as id, shardminvalue as first from pg_dist_shard';

/** Applies two chunks in a session of its own, and counts what the second sends to the workers. */
async function countStatements(
  config: pg.ClientConfig,
  runId: number,
  chunks: InputChunk[],
): Promise<Statements> {
  const client = await connect(withSessions(config, SESSIONS, ' -c citus.log_remote_commands=on'));
  try {
    const { rows } = await client.query<{ id: string; first: string }>(SHARDS_OF);
    const shards = new Map(rows.map(({ id, first }) => [id, first]));
    const functions = new SqlFunctions(client);
    await functions.openStaging();
    let sent: { text: string; session: string }[] = [];
    client.on('notice', ({ message = '', detail = '' }) => {
      if (message.startsWith('issuing ')) sent.push({ text: message, session: detail });
    });
    for (const { number, content } of chunks) {
      sent = [];
      await stageCsv(client, bufferedObject('', content, Infinity).open, transactionColumns);
      const object = { objectKey: chunkName(number), etag: '', sizeBytes: content.length };
      await functions.processChunk({
        runId,
        ...object,
        copyMs: 0,
        batchRows: 50,
        detectionsPrefix: 'detections/',
      });
      await client.query('commit');
    }
    const byShard = new Map<string, number>();
    let besides = 0;
    for (const { text } of sent) {
      // colocated shards of several tables hold the same merchants, and count as one
      const id = text.match(/(?<=_)\d+\b/g)?.find((digits) => shards.has(digits));
      if (id === undefined) besides++;
      else byShard.set(shards.get(id)!, (byShard.get(shards.get(id)!) ?? 0) + 1);
    }
    const sessions = new Set(sent.map(({ session }) => session)).size;
    return { perShard: Math.max(0, ...byShard.values()), besidesPerSession: besides / sessions };
  } finally {
    await client.end();
  }
}

/** A database that is filled in turn with the others. */
async function openFilled(
  cluster: Cluster,
  setting: Setting,
  importanceCsv: string,
  log: Logger,
  closeLater: CloseLater,
) {
  const suffix = `bench_citus_${setting.workers}_${setting.sessions}`;
  const { name, config } = await cluster.createDatabase(suffix, setting.workers, DEFAULT_SHARDS);
  const lane: TimedLane = await openLane(withSessions(config, setting.sessions));
  closeLater(lane.close);
  await lane.loadWeights(importanceCsv, log);
  const cpus = cluster.cpus.slice(0, setting.workers + 1);
  const look = () => Promise.all(cpus.map((cpu) => cpu.look(name)));
  return {
    setting,
    config,
    runId: lane.runId,
    async apply(chunk: InputChunk, seesCpu: boolean) {
      const before = seesCpu ? await look() : undefined;
      const { applyMs, detectionCount } = await lane.apply(chunk);
      const after = seesCpu ? await look() : undefined;
      const used = before?.map((times, index) => usedBetween(times, after![index]!));
      return { applyMs, detectionCount, used };
    },
  };
}

/** @param size of the stream; only the last two thirds of the chunks count */
export async function measureCitus(
  config: pg.ClientConfig,
  { chunks: chunkCount, weights, mostWorkers }: typeof SIZE,
  {
    folder,
    signal,
    log,
    say,
  }: { folder: string; signal: AbortSignal; log: Logger; say: (text: string) => void },
): Promise<{ costs: Costs[]; statements: Statements }> {
  return withResources(log, async (closeLater) => {
    const cluster = await openCluster(config, closeLater, log);
    const workers = Math.min(cluster.workerCount, mostWorkers);
    const { postgresql, citus, pool_size, cached } = cluster.about;
    say(`  PostgreSQL ${postgresql}, Citus ${citus}, ${cluster.workerCount} workers; citus.max_adaptive_executor_pool_size and
  citus.max_cached_conns_per_worker are ${pool_size} and ${cached} there; here both ${SESSIONS}, or 1 where it says so.`);
    const visible = await Promise.all(cluster.cpus.map((cpu) => cpu.isVisible()));
    const seesCpu = visible.every(Boolean);
    if (!seesCpu)
      say(
        '  The CPU of servers on other machines cannot be seen from here: these are times on the clock only.',
      );

    const stream = growthStream(STREAM_ROWS, signal);
    const importanceCsv = join(folder, 'citus-importance.csv');
    const lines = Readable.from(stream.importance()).take(weights + 1);
    await pipeline(lines, createWriteStream(importanceCsv));
    const filled: Awaited<ReturnType<typeof openFilled>>[] = [];
    // the most workers first: all servers then get the roles that the schema grants rights to
    for (const setting of settingsFor(workers).reverse()) {
      signal.throwIfAborted();
      filled.unshift(await openFilled(cluster, setting, importanceCsv, log, closeLater));
    }

    const costs: Costs[] = filled.map(({ setting }) => ({ ...setting, chunks: [] }));
    const chunks = stream.chunks();
    let ended = 0;
    for (let turn = 0; turn < chunkCount; turn++) {
      const chunk = chunks.next().value;
      const found = new Set<number>();
      // there and back again, so that none is always the first
      const order = turn % 2 === 0 ? [...filled.keys()] : [...filled.keys()].reverse();
      for (const index of order) {
        const { applyMs, detectionCount, used } = await filled[index]!.apply(chunk, seesCpu);
        found.add(detectionCount);
        if (turn < chunkCount / 3) continue;
        costs[index]!.chunks.push({ applyMs, cpuMs: used?.map(({ ms }) => ms) });
        for (const each of used ?? []) ended += each.ended;
      }
      if (found.size > 1)
        throw new Error(`chunk ${chunk.number}: the databases found ${[...found].join(', ')} detections`);
    }
    if (ended > 0)
      say(`  ${ended} sessions ended while chunks were applied: what they used last is not in the figures.`);
    const { config: last, runId } = filled[workers]!;
    const statements = await countStatements(last, runId, [chunks.next().value, chunks.next().value]);
    return { costs, statements };
  });
}

export function citusFigures(costs: readonly Costs[], statements: Statements): Figure[] {
  /** The mean per chunk, of the coordinator and of each worker. */
  const cpuOf = ({ chunks, workers }: Costs) =>
    Array.from({ length: workers + 1 }, (_, server) => {
      const seen = chunks.flatMap(({ cpuMs }) => (cpuMs === undefined ? [] : [cpuMs[server]!]));
      return seen.length === 0 ? undefined : mean(seen);
    });
  const workers = Math.max(...costs.map((each) => each.workers));
  const of = (count: number, sessions: number) =>
    costs.find((each) => each.workers === count && each.sessions === sessions)!;
  const [plain, one, most, single] = [
    of(0, SESSIONS),
    of(1, SESSIONS),
    of(workers, SESSIONS),
    of(workers, 1),
  ].map(cpuOf);
  const busiest = (cpu: (number | undefined)[]) =>
    cpu
      .slice(1)
      .reduce((high, each) => (each === undefined || high === undefined ? undefined : Math.max(high, each)));
  const all = workers === 1 ? '1 worker' : `${workers} workers`;

  const settingFigures = costs.flatMap((each) => {
    const isPlain = each.workers === 0;
    const name = isPlain ? 'plain' : `${each.workers} worker${each.workers === 1 ? '' : 's'}`;
    const what = each.sessions === SESSIONS ? name : `${name}, 1 session to each`;
    const key = what.replaceAll(/\W+/g, '_');
    const figures = [
      figure(
        `${key}_apply_ms`,
        `${what}: time on the clock`,
        'ms',
        spread(each.chunks.map(({ applyMs }) => applyMs)),
      ),
    ];
    const cpu = cpuOf(each);
    if (cpu[0] === undefined) return figures;
    const isBounded = each.workers === workers && each.sessions === SESSIONS;
    const server = isPlain ? 'the server' : 'the coordinator';
    const serverKey = isPlain ? 'server' : 'coordinator';
    figures.unshift(
      figure(
        `${key}_${serverKey}_cpu_ms`,
        `${what}: CPU of ${server}`,
        'ms',
        cpu[0],
        isBounded ? { most: 25 } : undefined,
      ),
      ...cpu
        .slice(1)
        .map((ms, index) =>
          figure(`${key}_worker_${index + 1}_cpu_ms`, `  of worker ${index + 1}`, 'ms', ms),
        ),
    );
    return figures;
  });
  const ratios = [
    figure(
      'coordinator_per_plain',
      `CPU of the coordinator, ${all} / plain`,
      'times',
      ratio(most![0], plain![0]),
      { most: 0.2 },
    ),
    figure(
      'worker_per_only_worker',
      `CPU of the busiest of ${all} / of one alone`,
      'times',
      ratio(busiest(most!), one![1]),
      {
        most: Math.round(114 / workers) / 100,
      },
    ),
    figure(
      'coordinator_one_session',
      'CPU of the coordinator, 1 session to each worker / 2',
      'times',
      ratio(single![0], most![0]),
    ),
    figure(
      'worker_one_session',
      'CPU of the busiest worker, 1 session / 2',
      'times',
      ratio(busiest(single!), busiest(most!)),
    ),
  ].filter(({ value }) => value !== undefined);
  return [
    ...settingFigures,
    ...ratios,
    figure(
      'statements_per_shard',
      'statements that a chunk sends to a shard',
      'statements',
      statements.perShard,
      { most: 12 },
    ),
    figure(
      'other_statements_per_session',
      '… and besides, to each session: transaction and settings',
      'statements',
      statements.besidesPerSession,
    ),
  ];
}

export const citus: Part = {
  name: 'citus',
  about: `Citus: ${SIZE.chunks} chunks of a stream with 2,000 merchants and a million customers, applied in turn to a plain database on the
coordinator's server and over 1, 2, … of the workers that TEST_CITUS_URL knows, in ${DEFAULT_SHARDS} shards. CPU is that of the sessions,
the mean per chunk of the last two thirds. All must find the same detections.`,
  async measure({ folder, signal, log }, say) {
    const url = process.env.TEST_CITUS_URL;
    if (!url)
      throw new UserError(
        'TEST_CITUS_URL is missing: the URL of a database in which Citus knows its workers',
      );
    const { config, problems } = readDatabaseUrl(url);
    if (problems.length > 0) throw new UserError(`TEST_CITUS_URL ${problems.join('; ')}`);
    const { costs, statements } = await measureCitus(config, SIZE, { folder, signal, log, say });
    return citusFigures(costs, statements);
  },
};
