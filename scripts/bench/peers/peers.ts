import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withResources } from '../../../src/async/resource-scope.js';
import { UserError } from '../../../src/errors.js';
import type { Bench } from '../context.js';
import type { BenchDatabase } from '../databases.js';
import { CHUNK_ROWS } from '../input.js';
import type { Part } from '../part.js';
import { Contender } from './contender.js';
import { Contest } from './contest.js';
import { openPeers } from './open-peers.js';
import { LAST_CHUNKS, isLate, peerFigures, type TimedPeers } from './peer-figures.js';
import type { PeerName } from './peer.js';

const NAMES: readonly PeerName[] = ['rows', 'views', 'duckdb_history', 'duckdb_state'];

/** The slow ones take part in a few early and late chunks, and catch up in bulk between. */
const EARLY_CHUNKS: Record<PeerName, { from: number; to: number }> = {
  rows: { from: 9, to: 10 },
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

/** All chunks of the input, in turn by everybody who takes part in them. */
async function timePeers(
  { input, log, signal }: Bench,
  { config }: BenchDatabase,
  folder: string,
): Promise<TimedPeers> {
  const lastChunk = Math.floor(input.rows / CHUNK_ROWS);
  const bareMs = new Map<number, number>();
  const applyMs = new Map<number, number>();
  return withResources(log, async (closeLater) => {
    const peers = await openPeers(NAMES, config, folder, closeLater);
    const contenders = peers.map((peer) => new Contender(peer));
    const contest = await Contest.open(config, folder);
    closeLater(() => contest.close());
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
    return {
      times: [
        { name: 'bare_copy', about: 'bare COPY', ms: bareMs },
        { name: 'bankpulse', about: 'BankPulse', ms: applyMs },
        ...contenders.map(({ peer: { name, about }, ms }) => ({ name, about, ms })),
      ],
      differences: contenders.flatMap((contender) => contender.differences),
      lastChunk,
    };
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
takes part in all. PostgreSQL row by row takes part in chunks ${EARLY_CHUNKS.rows.from} and ${EARLY_CHUNKS.rows.to} and the last ${LATE_CHUNKS.rows} full ones, with views in ${EARLY_CHUNKS.views.from} to ${EARLY_CHUNKS.views.to} and
the last ${LATE_CHUNKS.views}; between, they are loaded in bulk. Last: medians of these.`,
  async measure(bench) {
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-peers-'));
    try {
      const found = await bench.databases.use((database) => timePeers(bench, database, folder));
      checkAlike(found.differences);
      return peerFigures(found);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
