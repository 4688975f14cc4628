import type { Figure } from '../figures.js';
import { median, ratio, spread } from '../measure.js';
import type { PeerName } from './peer.js';

/** Of how many chunks at the end "at chunk 60" is the median. */
export const LAST_CHUNKS = 5;
/** Chunks 6 to 10, of peers that take part in all of them. */
const EARLY_CHUNKS = 5;

export interface PeerTimes {
  name: PeerName | 'bare_copy' | 'bankpulse';
  about: string;
  /** In milliseconds, by chunk, of those that were timed and full. */
  ms: ReadonlyMap<number, number>;
}

/** Bare COPY, BankPulse, and its peers. */
export interface TimedPeers {
  times: PeerTimes[];
  /** What a peer found otherwise than BankPulse; empty if all is well. */
  differences: string[];
  /** The last full chunk. */
  lastChunk: number;
}

/** The last full chunks of the input, from which "at chunk 60" is taken. */
export const isLate = (number: number, lastChunk: number, count: number) =>
  number > lastChunk - count && number <= lastChunk;

const TARGETS: Partial<Record<PeerTimes['name'], number>> = { views: 15, duckdb_history: 2 };

/** "At chunk 60" is the median of the last five full chunks; ratios are of the same chunks of both. */
export function peerFigures({ times, lastChunk }: Omit<TimedPeers, 'differences'>): Figure[] {
  const ours = times.find(({ name }) => name === 'bankpulse')!.ms;
  const some = (ms: ReadonlyMap<number, number>, isWanted: (chunk: number) => boolean) =>
    [...ms].filter(([chunk]) => isWanted(chunk)).map(([, each]) => each);
  const isEarly = (chunk: number) => chunk > 10 - EARLY_CHUNKS && chunk <= 10;
  const isLast = (chunk: number) => isLate(chunk, lastChunk, LAST_CHUNKS);
  return times.flatMap(({ name, about, ms }): Figure[] => {
    const target = TARGETS[name];
    const alsoOurs = (chunk: number) => isLast(chunk) && ms.has(chunk);
    const early = some(ms, isEarly);
    return [
      ...(early.length < EARLY_CHUNKS
        ? []
        : [
            {
              key: `${name}_chunks_6_to_10_ms`,
              what: `${about}, chunks 6 to 10`,
              unit: 'ms' as const,
              value: spread(early),
            },
          ]),
      { key: `${name}_last_ms`, what: `${about}, last chunks`, unit: 'ms', value: spread(some(ms, isLast)) },
      ...(name === 'bankpulse'
        ? []
        : [
            {
              key: `${name}_per_bankpulse`,
              what: `${about} / BankPulse, last chunks`,
              unit: 'times' as const,
              value: ratio(median(some(ms, isLast)), median(some(ours, alsoOurs))),
              ...(target !== undefined && { target: { least: target } }),
            },
          ]),
    ];
  });
}
