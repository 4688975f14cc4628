import { applyMs, bareMs, fullChunks, microsecondsPerPair, type ChunkTiming } from './chunk-timing.js';
import type { Figure } from './figures.js';
import { median, ratio, ratioOfMedians, spread } from './measure.js';
import type { Part } from './part.js';
import { timeChunks } from './timed-lane.js';

/** The figures of all chunks' times; those of full chunks alone, so that all are of the same size. */
export function applyFigures(timings: readonly ChunkTiming[]): Figure[] {
  const full = fullChunks(timings);
  const early = full.slice(5, 15);
  const late = full.length > 15 ? full.slice(-10) : [];
  const perBare = (some: readonly ChunkTiming[]) => ratioOfMedians(applyMs(some), bareMs(some));
  const steps = Object.keys(full[0]?.steps ?? {});
  return [
    { key: 'full_chunks', what: 'full chunks', unit: 'chunks', value: full.length },
    { key: 'bare_copy_ms', what: 'bare COPY', unit: 'ms', value: spread(bareMs(full)) },
    { key: 'apply_ms', what: 'apply', unit: 'ms', value: spread(applyMs(full)) },
    {
      key: 'apply_per_bare_copy',
      what: 'apply / bare COPY',
      unit: 'times',
      value: perBare(full),
      target: { most: 2.5 },
    },
    { key: 'chunks_6_to_15_ms', what: 'chunks 6 to 15', unit: 'ms', value: spread(applyMs(early)) },
    { key: 'last_ten_ms', what: 'last ten full chunks', unit: 'ms', value: spread(applyMs(late)) },
    {
      key: 'chunks_6_to_15_per_bare_copy',
      what: 'chunks 6 to 15 / bare COPY',
      unit: 'times',
      value: perBare(early),
    },
    {
      key: 'last_ten_per_bare_copy',
      what: 'last ten full chunks / bare COPY',
      unit: 'times',
      value: perBare(late),
    },
    {
      key: 'us_per_pair',
      what: 'apply, per touched pair',
      unit: 'µs',
      value: spread(microsecondsPerPair(full)),
    },
    {
      key: 'chunks_6_to_15_us_per_pair',
      what: 'chunks 6 to 15, per touched pair',
      unit: 'µs',
      value: spread(microsecondsPerPair(early)),
    },
    {
      key: 'last_ten_us_per_pair',
      what: 'last ten full chunks, per touched pair',
      unit: 'µs',
      value: spread(microsecondsPerPair(late)),
    },
    {
      key: 'last_ten_per_chunks_6_to_15_per_pair',
      what: 'last ten / chunks 6 to 15, per touched pair',
      unit: 'times',
      value: ratio(median(microsecondsPerPair(late)), median(microsecondsPerPair(early))),
      target: { most: 1.1 },
    },
    {
      key: 'pairs_per_chunk',
      what: 'touched pairs of a chunk',
      unit: 'pairs',
      value: spread(full.map(({ pairs }) => pairs)),
    },
    ...steps.map((step): Figure => ({
      key: `step_${step}_ms`,
      what: `  step ${step}`,
      unit: 'ms',
      value: spread(full.map(({ steps: each }) => each[step] ?? 0)),
    })),
  ];
}

export const apply: Part = {
  name: 'apply',
  about: `Apply: Y's whole transaction of a chunk (COPY into staging, state, three patterns, detections, ledger row, commit)
after a bare COPY of the same bytes, chunk by chunk. Where the time goes, by step.`,
  async measure({ databases, input, signal }) {
    return applyFigures(await databases.use((database) => timeChunks(database, input, signal)));
  },
};
