import type { BenchDatabase } from './databases.js';
import { fullChunks, type ChunkTiming } from './chunk-timing.js';
import type { Figure } from './figures.js';
import type { Input } from './input.js';
import { ratio } from './measure.js';
import type { Part } from './part.js';
import { timeChunks } from './timed-lane.js';
import { Viewer } from './viewer.js';

/** Blocks of chunks with the dashboard closed (false) and open: early and late ones of both. */
const BLOCKS = [false, true, true, false, false, true];
const BLOCK_CHUNKS = 10;
const isOpenAt = (index: number) => BLOCKS[Math.floor(index / BLOCK_CHUNKS) % BLOCKS.length]!;

/**
 * Time per touched pair, whose number grows with the stream. A mean: a look falls on one chunk in several, which a median
 * would hide. undefined without chunks.
 */
function meanCost(timings: readonly ChunkTiming[]): number | undefined {
  if (timings.length === 0) return undefined;
  const sum = (of: (timing: ChunkTiming) => number) =>
    timings.reduce((total, timing) => total + of(timing), 0);
  return sum(({ applyMs }) => applyMs) / sum(({ pairs }) => pairs);
}

/** Of the chunks' times in their order. The first chunk does not count: it has all patterns judged from the beginning. */
export function dashboardFigures(timings: readonly ChunkTiming[]): Figure[] {
  const cost = (isOpen: boolean) =>
    meanCost(fullChunks(timings.filter((_, index) => index > 0 && isOpenAt(index) === isOpen)));
  return [
    {
      key: 'open_per_closed',
      what: 'a chunk with the dashboard open / closed, per touched pair',
      unit: 'times',
      value: ratio(cost(true), cost(false)),
      target: { most: 1.05 },
    },
  ];
}

async function timeBlocks(
  database: BenchDatabase,
  input: Input,
  signal: AbortSignal,
): Promise<ChunkTiming[]> {
  const viewer = await Viewer.open(database.config);
  try {
    return await timeChunks(database, input, signal, (index) => viewer.watch(isOpenAt(index)));
  } finally {
    await viewer.close();
  }
}

export const dashboard: Part = {
  name: 'dashboard',
  about: `Dashboard: the same chunks once more, while somebody looks at the dashboard and while nobody does, in turn.`,
  async measure({ databases, input, signal }) {
    return dashboardFigures(await databases.use((database) => timeBlocks(database, input, signal)));
  },
};
