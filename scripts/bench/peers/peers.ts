import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../../../src/errors.js';
import type { Bench } from '../context.js';
import type { BenchDatabase } from '../databases.js';
import type { Figure } from '../figures.js';
import { CHUNK_ROWS, type Input } from '../input.js';
import { median, ratio, spread } from '../measure.js';
import type { Part } from '../part.js';
import { Contender } from './contender.js';
import { Contest } from './contest.js';
import { openPeers } from './open-peers.js';
import type { PeerName } from './peer.js';

/** Of how many chunks at the end "at chunk 60" is the median. */
const LAST_CHUNKS = 5;
/** The slow ones take part in a few early and late chunks, and catch up in bulk between. */
const EARLY_CHUNKS: Record<PeerName, { from: number; to: number }> = {
  rows: { from: 1, to: 2 },
  views: { from: 6, to: 10 },
  duckdb_history: { from: 1, to: Infinity },
  duckdb_state: { from: 1, to: Infinity },
};
const LATE_CHUNKS: Record<PeerName, number> = {
  rows: 3,
  views: LAST_CHUNKS,
  duckdb_history: LAST_CHUNKS,
  duckdb_state: LAST_CHUNKS,
};

export interface PeerTimes {
  name: PeerName | 'bare_copy' | 'bankpulse';
  about: string;
  /** In milliseconds, by chunk, of those that were timed and full. */
  ms: ReadonlyMap<number, number>;
}

/** Bare COPY, BankPulse, and its peers. */
export interface PeerFigures {
  times: PeerTimes[];
  /** What a peer found otherwise than BankPulse; empty if all is well. */
  differences: string[];
  /** The last full chunk. */
  lastChunk: number;
}

/** The last full chunks of the input, from which "at chunk 60" is taken. */
const isLate = (number: number, lastChunk: number, count: number) =>
  number > lastChunk - count && number <= lastChunk;

/** All chunks of the input, in turn by everybody who takes part in them. */
export async function timePeers(
  { config }: BenchDatabase,
  input: Input,
  folder: string,
  signal: AbortSignal,
): Promise<PeerFigures> {
  const lastChunk = Math.floor(input.rows / CHUNK_ROWS);
  const peers = await openPeers(['rows', 'views', 'duckdb_history', 'duckdb_state'], config, folder);
  const contenders = peers.map((peer) => new Contender(peer));
  const bareMs = new Map<number, number>();
  const applyMs = new Map<number, number>();
  try {
    const contest = await Contest.open(config, folder);
    try {
      for await (const chunk of input.chunks(signal)) {
        if (chunk.rows < CHUNK_ROWS) break;
        const timing = await contest.time(chunk, contenders, ({ peer: { name } }) => {
          const { from, to } = EARLY_CHUNKS[name];
          const isEarly = chunk.number >= from && chunk.number <= to;
          return isEarly || isLate(chunk.number, lastChunk, LATE_CHUNKS[name]);
        });
        bareMs.set(chunk.number, timing.bareMs);
        applyMs.set(chunk.number, timing.applyMs);
      }
    } finally {
      await contest.close();
    }
  } finally {
    for (const peer of peers) await peer.close();
  }
  return {
    times: [
      { name: 'bare_copy', about: 'bare COPY', ms: bareMs },
      { name: 'bankpulse', about: 'BankPulse', ms: applyMs },
      ...contenders.map(({ peer: { name, about }, ms }) => ({ name, about, ms })),
    ],
    differences: contenders.flatMap((contender) => contender.differences),
    lastChunk,
  };
}

const TARGETS: Partial<Record<PeerTimes['name'], number>> = { views: 15, duckdb_history: 2 };

/** "At chunk 60" is the median of the last five full chunks; ratios are of the same chunks of both. */
export function peerFigures({ times, lastChunk }: PeerFigures): Figure[] {
  const ours = times.find(({ name }) => name === 'bankpulse')!.ms;
  const some = (ms: ReadonlyMap<number, number>, isWanted: (chunk: number) => boolean) =>
    [...ms].filter(([chunk]) => isWanted(chunk)).map(([, each]) => each);
  const isEarly = (chunk: number) => chunk >= 6 && chunk <= 10;
  const isLast = (chunk: number) => isLate(chunk, lastChunk, LAST_CHUNKS);
  return times.flatMap(({ name, about, ms }): Figure[] => {
    const target = TARGETS[name];
    const alsoOurs = (chunk: number) => isLast(chunk) && ms.has(chunk);
    const early = some(ms, isEarly);
    return [
      ...(early.length === 0
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

/** @throws UserError */
export function checkAlike(differences: readonly string[]): void {
  if (differences.length === 0) return;
  const some = differences.slice(0, 20).join('\n  ');
  throw new UserError(
    `peers found otherwise than BankPulse (- missing, + too much: chunk pattern merchant customer):\n  ${some}`,
  );
}

export const peers: Part = {
  name: 'peers',
  about: `Peers: other ways to do the same, each chunk given to all in turn, from its bytes to committed detections, which must be
those of BankPulse, chunk by chunk. DuckDB reads the chunk from a file, with all cores, has ranked the weights before, and
takes part in all. PostgreSQL row by row takes part in the first ${EARLY_CHUNKS.rows.to} and last ${LATE_CHUNKS.rows} full chunks, with views in ${EARLY_CHUNKS.views.from} to ${EARLY_CHUNKS.views.to}
and the last ${LATE_CHUNKS.views}, and they are loaded in bulk between. Last: medians of the last ${LAST_CHUNKS}.`,
  async measure({ databases, input, signal }: Bench) {
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-peers-'));
    try {
      const found = await databases.use((database) => timePeers(database, input, folder, signal));
      checkAlike(found.differences);
      return peerFigures(found);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
