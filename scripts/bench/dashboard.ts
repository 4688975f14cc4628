import type { BenchDatabase } from './databases.js';
import { fullChunks, type ChunkTiming } from './chunk-timing.js';
import type { Figure } from './figures.js';
import type { Input } from './input.js';
import { ratio } from './measure.js';
import type { Part } from './part.js';
import { timeChunks } from './timed-lane.js';
import { Viewer } from './viewer.js';

/** What does not count: in the first chunks most pairs are new, and in the very first all patterns are judged anew. */
const WARM_UP_CHUNKS = 10;
/** Then blocks of chunks with the dashboard closed (false) and open: as early and as late ones of both. */
const BLOCKS = [false, true, true, false];
const BLOCK_CHUNKS = 12;
/** undefined for a chunk that does not count. */
const isOpenAt = (index: number) => BLOCKS[Math.floor((index - WARM_UP_CHUNKS) / BLOCK_CHUNKS)];

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

/** Of the chunks' times in their order. */
export function dashboardFigures(timings: readonly ChunkTiming[]): Figure[] {
  const cost = (isOpen: boolean) =>
    meanCost(fullChunks(timings.filter((_, index) => isOpenAt(index) === isOpen)));
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
    return await timeChunks(database, input, signal, (index) => viewer.watch(isOpenAt(index) ?? false));
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
