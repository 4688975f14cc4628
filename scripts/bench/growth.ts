import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type pg from 'pg';
import { withResources } from '../../src/async/resource-scope.js';
import { connect } from '../../src/database/connection.js';
import { UsageError } from '../../src/errors.js';
import { chunkName } from '../../src/s3/chunk-names.js';
import { stepFigures } from './apply.js';
import { figure, median, ratio, spread, type Figure, type Target, type Unit, type Value } from './figures.js';
import { growthStream } from './growth-stream.js';
import type { InputChunk } from './input.js';
import { checkAlike, openContenders, timeInTurn, type Contender } from './peers.js';
import type { PeerName } from './peers/peer.js';
import { startMechanism } from './pipeline.js';
import type { Bench, BenchDatabase, Part } from './set-up.js';
import { openServerCpu } from './server-cpu.js';
import { applyCpuMs, applyMs, bareMs, openLane, pairs, usPerPair, type TimedLane } from './timed-lane.js';
import type { ChunkTiming, Timings } from './timed-lane.js';

const SHARES = [0.01, 0.5, 1]; // of the stream, where Y stops
/** Not timed: in these a new session maps the pages of the state, as Y's own session did long before. */
const WARM_UP_CHUNKS = 5;
const TIMED_CHUNKS = 10;
const PEER_CHUNKS = 5; // the first of those, in which the peers take part
const PEERS: [name: PeerName, about: string, atTheEnd: Target][] = [
  ['duckdb_history', 'DuckDB, all transactions kept', { least: 10 }],
  ['duckdb_state', 'DuckDB, the same running state', { least: 1 }],
];

const SCALE_THRESHOLD = `
  update bankpulse.patterns set thresholds = thresholds || jsonb_build_object('merchant_transactions_above', $1::bigint)
  where pattern_id = 'PatId1'
`;
const IS_APPLIED = 'select from bankpulse.chunks where chunk_no = $1';
/** In bytes on disk, with indexes. */
const MEASURE_STATE = `
  select
    sum(pg_total_relation_size(oid))::float8 as bytes,
    pg_total_relation_size('bankpulse.customer_merchant_stats')::float8 as "pairBytes",
    (select count(*) from bankpulse.customer_merchant_stats)::float8 as pairs
  from pg_class
  where relnamespace = 'bankpulse'::regnamespace and relkind = 'r' and relname not in ('chunks', 'rejected_rows')
`;
const DESCRIBE_STREAM = `
  select detections, (select count(*)::int from bankpulse.merchant_stats where transaction_count > $1) as busy_merchants
  from bankpulse.pipeline_status
`;

type PeerMs = Partial<Record<PeerName, number[]>>;
type StateSize = { bytes: number; pairBytes: number; pairs: number };
/** Y's memory after its first chunk, at its end, and at most. */
type Memory = { firstRssBytes: number; rssBytes: number; peakRssBytes: number };
/** The measurements at one share of the stream. */
export type GrowthStage = Memory & { share: number; timings: Timings; peerMs: PeerMs; stateSize: StateSize };

/** Measures a stream in one database. The other gets only the first chunks, and is timed in turn with the end. */
async function grow(bench: Bench, database: BenchDatabase, beginning: BenchDatabase, rows: number) {
  const { store, folder, log } = bench;
  const stream = growthStream(rows, bench.signal);
  const { chunkCount, customerCount } = stream;
  const busy = [stream.busyMerchantTransactions];
  const importanceCsv = join(folder, 'growth-importance.csv');
  await writeFile(importanceCsv, Readable.from(stream.importance()));
  const CHUNKS_PREFIX = `${bench.prefix}growth/`;
  const DETECTIONS_PREFIX = `${bench.prefix}growth-detections/`;
  const env = { IMPORTANCE_CSV: importanceCsv, CHUNKS_PREFIX, DETECTIONS_PREFIX };
  /** A new Y applies these chunks, then ends. @returns their files, and Y's memory at the end and at most */
  async function work(chunks: Iterator<InputChunk, never>, count: number, client: pg.Client) {
    const y = await startMechanism(['detect'], bench, database, env);
    try {
      const files: string[] = [];
      const rss: number[] = [];
      for (let index = 0; index < count; index++) {
        const { number, content } = chunks.next().value;
        const name = chunkName(number);
        await writeFile(join(folder, name), content);
        files.push(join(folder, name));
        await store.put(CHUNKS_PREFIX + name, content, 'text/csv');
        if (number > 1 && index < count - 1) continue;
        while ((await client.query(IS_APPLIED, [number])).rowCount === 0) await y.pause(100);
        await y.pause(1000);
        rss.push(median(y.rssBytes.slice(-9))!); // of the 900 ms before
      }
      const peakRssBytes = Math.max(...y.rssBytes);
      return { files, memory: { firstRssBytes: rss[0]!, rssBytes: rss.at(-1)!, peakRssBytes } };
    } finally {
      await y.stop();
    }
  }

  return withResources(log, async (closeLater) => {
    const control = await connect(database.config);
    closeLater(() => control.end());
    const serverCpu = await openServerCpu(database.config);
    closeLater(serverCpu.close);
    const cpu = (await serverCpu.isVisible()) ? serverCpu : undefined;
    await control.query(SCALE_THRESHOLD, busy);
    const [chunks, firstChunks] = [stream.chunks(), stream.chunks()];
    const stages: GrowthStage[] = [];
    const beginningTimings: ChunkTiming[] = [];
    let beginningLane: TimedLane | undefined;
    let contenders: Contender[] | undefined;
    let done = 0;
    for (const share of SHARES) {
      if (share === SHARES.at(-1)) {
        // long before it is timed, so that autovacuum has finished with it
        beginningLane = await openLane(beginning.config, cpu);
        closeLater(beginningLane.close);
        await beginningLane.control.query(SCALE_THRESHOLD, busy);
        await beginningLane.loadWeights(importanceCsv, log);
        for (let chunk = 0; chunk < Math.round(SHARES[0]! * chunkCount); chunk++)
          await beginningLane.time(firstChunks.next().value);
      }
      // the chunks timed last are the end of the stream
      const stop = Math.min(Math.round(share * chunkCount), chunkCount - WARM_UP_CHUNKS - TIMED_CHUNKS);
      const { files, memory } = await work(chunks, stop - done, control);
      // not before Y has loaded the weights
      const names = PEERS.map(([name]) => name);
      contenders ??= await openContenders(names, database.config, control, folder, closeLater);
      for (const { skipped } of contenders) skipped.push(...files);

      const lane = await openLane(database.config, cpu);
      const timings: ChunkTiming[] = [];
      for (let turn = -WARM_UP_CHUNKS; turn < TIMED_CHUNKS; turn++) {
        const takesPart = turn >= 0 && turn < PEER_CHUNKS;
        timings.push(await timeInTurn(lane, chunks.next().value, contenders, folder, () => takesPart));
        if (beginningLane) beginningTimings.push(await beginningLane.time(firstChunks.next().value));
      }
      await lane.close();
      done = stop + timings.length;
      timings.splice(0, WARM_UP_CHUNKS);
      const lastMs = contenders.map(({ name, ms }) => [name, [...ms.values()].slice(-PEER_CHUNKS)]);
      const peerMs = Object.fromEntries(lastMs) as PeerMs;
      const { rows: sizes } = await control.query<StateSize>(MEASURE_STATE);
      stages.push({ share, timings, peerMs, stateSize: sizes[0]!, ...memory });
    }
    checkAlike(contenders!);
    const begin = beginningTimings.slice(WARM_UP_CHUNKS);
    type Description = { busy_merchants: number; detections: Record<string, number> };
    const { rows: descriptions } = await control.query<Description>(DESCRIBE_STREAM, busy);
    return { rows, customerCount, ...descriptions[0]!, stages, begin };
  });
}

function stageFigures({ share, timings, peerMs, stateSize, rssBytes, peakRssBytes }: GrowthStage): Figure[] {
  const at = (key: string, what: string, unit: Unit, value: Value, atTheEnd?: Target) => {
    const percent = Math.round(share * 100);
    const target = share === 1 ? atTheEnd : undefined;
    return figure(`at_${percent}_percent_${key}`, `at ${percent} %: ${what}`, unit, value, target);
  };
  return [
    at('bare_copy_ms', 'bare COPY', 'ms', spread(bareMs(timings))),
    at('apply_ms', 'BankPulse', 'ms', spread(applyMs(timings))),
    at('apply_cpu_ms', 'BankPulse, processor time of the session', 'ms', spread(applyCpuMs(timings))),
    at('pairs_per_chunk', 'touched pairs of a chunk', 'pairs', median(pairs(timings))),
    at('us_per_pair', 'BankPulse, per touched pair', 'µs', spread(usPerPair(timings))),
    ...stepFigures(timings).map(({ key, what, unit, value }) => at(key, what, unit, value)),
    ...PEERS.flatMap(([name, about, target]) => {
      const ms = peerMs[name] ?? [];
      // the same chunks: the peers take part in the first ones
      const perOurs = ratio(median(ms), median(applyMs(timings.slice(0, ms.length))));
      return [
        at(`${name}_ms`, about, 'ms', spread(ms)),
        at(`${name}_per_bankpulse`, `${about} / BankPulse`, 'times', perOurs, target),
      ];
    }),
    at('pairs', 'pairs of merchant and customer', 'pairs', stateSize.pairs),
    at('state_mb', 'state, with indexes', 'MB', stateSize.bytes / 1e6),
    at('pairs_mb', '  of that the pairs', 'MB', stateSize.pairBytes / 1e6),
    at('y_rss_mb', "Y's memory (RSS)", 'MB', rssBytes / 1e6, { most: 200 }),
    at('y_peak_rss_mb', "Y's memory, at most since its start", 'MB', peakRssBytes / 1e6),
  ];
}

export function growthFigures({ stages, ...stream }: Awaited<ReturnType<typeof grow>>): Figure[] {
  const last = stages.at(-1)!;
  const { firstRssBytes } = stages[0]!;
  const firstMb = firstRssBytes / 1e6;
  const begin = usPerPair(stream.begin);
  const beginText = 'at 1 %, in turn with 100 %: BankPulse, per touched pair';
  const perBegin = ratio(median(usPerPair(last.timings)), median(begin));
  const perBeginText = 'BankPulse, per touched pair, at 100 % / at 1 %';
  const cpuPerPair = (timings: Timings) => ratio(median(applyCpuMs(timings)), median(pairs(timings)));
  const cpuPerBegin = ratio(cpuPerPair(last.timings), cpuPerPair(stream.begin));
  const rssPerBegin = last.rssBytes / firstRssBytes;
  const rssPerBeginText = "Y's memory at the end / after its first chunk";
  return [
    figure('rows', 'rows', 'rows', stream.rows),
    figure('customers', 'customers', 'customers', stream.customerCount),
    figure('busy_merchants', 'busy merchants in the end', 'merchants', stream.busy_merchants),
    ...Object.entries(stream.detections).map(([pattern, count]) =>
      figure(`detections_${pattern}`, `detections of ${pattern}`, 'detections', count),
    ),
    figure('y_first_rss_mb', "Y's memory (RSS) after its first chunk", 'MB', firstMb, { most: 200 }),
    ...stages.flatMap(stageFigures),
    figure('begin_us_per_pair', beginText, 'µs', spread(begin)),
    figure('end_per_begin_per_pair', perBeginText, 'times', perBegin, { most: 1.3 }),
    figure('end_per_begin_per_pair_cpu', `${perBeginText}, processor time`, 'times', cpuPerBegin, {
      most: 1.3,
    }),
    figure('y_rss_end_per_begin', rssPerBeginText, 'times', rssPerBegin, { most: 1.1 }),
  ];
}

/** @throws UsageError */
export function growthPart(rows = 10_000_000): Part {
  // so that 1 % is a number of whole chunks
  if (!Number.isInteger(rows / 1_000_000) || rows <= 0)
    throw new UsageError(['the rows of the growing stream must be whole millions']);
  return {
    name: 'growth',
    about: `Growth: a stream of ${rows.toLocaleString('en-US')} rows, a tenth as many customers, 2,000 merchants. \`npm run detect\` applies it from S3 and
stops at 1 %, 50 % and (nearly) 100 %, where after five more chunks ten are timed. DuckDB is loaded in bulk up to there,
takes part in five, and must find the same detections. In turn with the last ten, ten are timed in a database at 1 %.`,
    measure: (bench) =>
      bench.useDatabase((database) =>
        bench.useDatabase(
          async (beginning) => growthFigures(await grow(bench, database, beginning, rows)),
          'bench_beginning',
        ),
      ),
  };
}
