import { CHUNK_ROWS } from './input.js';

/** What one chunk took. */
export interface ChunkTiming {
  rows: number;
  /** Pairs of merchant and customer that its rows touch. */
  pairs: number;
  bareMs: number;
  /** From the first byte of the COPY into staging to the commit. */
  applyMs: number;
  /** In milliseconds per step, as the ledger has them; `rest` is what they leave: ledger row, commit, round trips. */
  steps: Record<string, number>;
}

/** Those of as many rows as chunks have; the last one of a file seldom is. */
export function fullChunks(timings: readonly ChunkTiming[]): ChunkTiming[] {
  return timings.filter(({ rows }) => rows === CHUNK_ROWS);
}

export function applyMs(timings: readonly ChunkTiming[]): number[] {
  return timings.map((timing) => timing.applyMs);
}

export function bareMs(timings: readonly ChunkTiming[]): number[] {
  return timings.map((timing) => timing.bareMs);
}

/** Of BankPulse. */
export function microsecondsPerPair(timings: readonly ChunkTiming[]): number[] {
  return timings.map((timing) => (1000 * timing.applyMs) / timing.pairs);
}
