import getPort from 'get-port';
import { sum } from 'simple-statistics';
import { serveDashboard } from '../../src/dashboard/server.js';
import { createLog } from '../../src/log.js';
import { figure, median, ratio, spread, type Figure } from './figures.js';
import { CHUNK_ROWS } from './input.js';
import type { Bench, BenchDatabase, Part } from './set-up.js';
import { openServerCpu } from './server-cpu.js';
import {
  applyCpuMs,
  applyMs,
  bareCpuMs,
  bareMs,
  openLane,
  pairs,
  usPerPair,
  type ChunkTiming,
  type Timings,
} from './timed-lane.js';

/** Times every chunk of the input. @param before is called before each, with its index */
async function timeChunks(
  { input }: Bench,
  { config }: BenchDatabase,
  before?: (index: number) => Promise<void>,
): Promise<Timings> {
  const cpu = await openServerCpu(config);
  const lane = await openLane(config, (await cpu.isVisible()) ? cpu : undefined);
  const timings: ChunkTiming[] = [];
  try {
    for await (const chunk of input.chunks()) {
      await before?.(timings.length);
      timings.push(await lane.time(chunk));
    }
  } finally {
    await lane.close();
    await cpu.close();
  }
  return timings;
}

/** The last chunk of a file is mostly shorter, and its times are not comparable. */
const fullChunks = (timings: Timings) => timings.filter(({ rows }) => rows === CHUNK_ROWS);

export const stepFigures = (timings: Timings) =>
  Object.keys(timings[0]?.steps ?? {}).map((step) =>
    figure(`step_${step}_ms`, `  step ${step}`, 'ms', spread(timings.map(({ steps }) => steps[step] ?? 0))),
  );

export function applyFigures(timings: Timings): Figure[] {
  const full = fullChunks(timings);
  const early = full.slice(5, 15);
  const late = full.length > 15 ? full.slice(-10) : [];
  const perBare = (some: Timings) => ratio(median(applyMs(some)), median(bareMs(some)));
  const cpuPerBare = ratio(median(applyCpuMs(full)), median(bareCpuMs(full)));
  const growth = ratio(median(usPerPair(late)), median(usPerPair(early)));
  const growthText = 'last ten / chunks 6 to 15, per touched pair';
  return [
    figure('full_chunks', 'full chunks', 'chunks', full.length),
    figure('bare_copy_ms', 'bare COPY', 'ms', spread(bareMs(full))),
    figure('apply_ms', 'apply', 'ms', spread(applyMs(full))),
    figure('apply_per_bare_copy', 'apply / bare COPY', 'times', perBare(full), { most: 2.5 }),
    figure('bare_copy_cpu_ms', 'bare COPY, processor time of the session', 'ms', spread(bareCpuMs(full))),
    figure('apply_cpu_ms', 'apply, processor time of the session', 'ms', spread(applyCpuMs(full))),
    figure('apply_per_bare_copy_cpu', 'apply / bare COPY, processor time', 'times', cpuPerBare, {
      most: 3.9,
    }),
    figure('last_ten_cpu_ms', 'last ten full chunks, processor time', 'ms', spread(applyCpuMs(late))),
    figure('chunks_6_to_15_ms', 'chunks 6 to 15', 'ms', spread(applyMs(early))),
    figure('last_ten_ms', 'last ten full chunks', 'ms', spread(applyMs(late))),
    figure('chunks_6_to_15_per_bare_copy', 'chunks 6 to 15 / bare COPY', 'times', perBare(early)),
    figure('last_ten_per_bare_copy', 'last ten full chunks / bare COPY', 'times', perBare(late)),
    figure('us_per_pair', 'apply, per touched pair', 'µs', spread(usPerPair(full))),
    figure('chunks_6_to_15_us_per_pair', 'chunks 6 to 15, per touched pair', 'µs', spread(usPerPair(early))),
    figure('last_ten_us_per_pair', 'last ten full chunks, per touched pair', 'µs', spread(usPerPair(late))),
    figure('last_ten_per_chunks_6_to_15_per_pair', growthText, 'times', growth, { most: 1.1 }),
    figure('pairs_per_chunk', 'touched pairs of a chunk', 'pairs', spread(pairs(full))),
    ...stepFigures(full),
  ];
}

export const apply: Part = {
  name: 'apply',
  about: `Apply: Y's whole transaction for a chunk (COPY into staging, state, three patterns, detections, ledger row, commit),
after a bare COPY of the same bytes, chunk by chunk. The steps show where the time goes.`,
  measure: (bench) => bench.useDatabase(async (database) => applyFigures(await timeChunks(bench, database))),
};

/** These do not count: most of their pairs are new, and the first chunk judges all patterns from nothing. */
const WARM_UP_CHUNKS = 10;
/** After them, blocks of chunks without (false) and with a viewer: both kinds are equally early and late. */
const BLOCKS = [false, true, true, false];
const BLOCK_CHUNKS = 12;
const isOpenAt = (index: number) => BLOCKS[Math.floor((index - WARM_UP_CHUNKS) / BLOCK_CHUNKS)];

/** @param timings of all chunks, in their order */
export function dashboardFigures(timings: Timings): Figure[] {
  // per touched pair, as their number grows; a mean, as only one chunk in several coincides with a look at the database
  const cost = (isOpen: boolean) => {
    const block = fullChunks(timings.filter((_, index) => isOpenAt(index) === isOpen));
    return block.length === 0 ? undefined : sum(applyMs(block)) / sum(pairs(block));
  };
  const what = 'a chunk with the dashboard open / closed, per touched pair';
  return [figure('open_per_closed', what, 'times', ratio(cost(true), cost(false)), { most: 1.05 })];
}

/** Serves the dashboard, and receives its stream of events during the blocks with a viewer. */
async function timeBlocks(bench: Bench, database: BenchDatabase): Promise<Timings> {
  const settings = {
    DASHBOARD_HOST: '127.0.0.1',
    DASHBOARD_PORT: await getPort(),
    DASHBOARD_ALLOWED_HOSTS: [],
  };
  const served = await serveDashboard({ config: database.config, settings, log: createLog('error') });
  let viewer: AbortController | undefined;
  try {
    return await timeChunks(bench, database, async (index) => {
      if (isOpenAt(index) && !viewer) {
        viewer = new AbortController();
        const { body } = await fetch(`${served.url!}events`, viewer);
        body!.pipeTo(new WritableStream()).catch(() => undefined); // aborted below
      } else if (!isOpenAt(index)) {
        viewer?.abort();
        viewer = undefined;
      }
    });
  } finally {
    await served.close();
  }
}

export const dashboard: Part = {
  name: 'dashboard',
  about: `Dashboard: the same chunks again, in turn without and with a viewer of the dashboard.`,
  measure: (bench) =>
    bench.useDatabase(async (database) => dashboardFigures(await timeBlocks(bench, database))),
};
