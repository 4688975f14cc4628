import type pg from 'pg';
import type { CloseLater } from '../../../src/async/resource-scope.js';
import type { ChunkTiming } from '../chunk-timing.js';
import { Contender } from '../peers/contender.js';
import { Contest } from '../peers/contest.js';
import { openPeers } from '../peers/open-peers.js';
import type { PeerName } from '../peers/peer.js';
import type { Beginning } from './beginning.js';
import type { Feed } from './feed.js';
import { readStateSize, type StateSize } from './state-size.js';
import { WorkingY } from './y.js';

/** Where Y stops, in shares of the stream. */
const SHARES = [0.01, 0.5, 1];
/** Not timed: in them a new session maps the pages of the state, which Y's own did long ago. */
const WARM_UP_CHUNKS = 5;
const TIMED_CHUNKS = 10;
/** Of those, how many the peers take part in. */
const PEER_CHUNKS = 5;
const PEERS: readonly PeerName[] = ['duckdb_history', 'duckdb_state'];

/** What was seen at one point of the stream. */
export interface GrowthStage {
  share: number;
  timings: ChunkTiming[];
  /** Of chunks at the beginning, timed in turn with those at the end; of other stages none. */
  beginningTimings: ChunkTiming[];
  /** Milliseconds per chunk. */
  peerMs: Partial<Record<PeerName, number[]>>;
  stateSize: StateSize;
  /** Of the Y that worked up to here: just before its end, and at most, in bytes. */
  rssBytes: number;
  peakRssBytes: number;
}

/** Lets the contest have the next chunks, and in the same turns the beginning, if there is one, chunks of its own. */
async function timeStage(
  { config, folder, feed, signal }: GrowthRun,
  contenders: readonly Contender[],
  beginning: Beginning | undefined,
): Promise<Pick<GrowthStage, 'timings' | 'beginningTimings' | 'peerMs'>> {
  const contest = await Contest.open(config, folder);
  const peerMs: GrowthStage['peerMs'] = {};
  try {
    for (let chunk = 0; chunk < WARM_UP_CHUNKS; chunk++) {
      signal.throwIfAborted();
      await contest.time(feed.next(), contenders, () => false);
      await beginning?.timeNext();
    }
    const timings: ChunkTiming[] = [];
    const beginningTimings: ChunkTiming[] = [];
    while (timings.length < TIMED_CHUNKS) {
      signal.throwIfAborted();
      const chunk = feed.next();
      const takesPart = timings.length < PEER_CHUNKS;
      timings.push(await contest.time(chunk, contenders, () => takesPart));
      for (const { peer, ms } of takesPart ? contenders : [])
        (peerMs[peer.name] ??= []).push(ms.get(chunk.number)!);
      if (beginning) beginningTimings.push(await beginning.timeNext());
    }
    return { timings, beginningTimings, peerMs };
  } finally {
    await contest.close();
  }
}

/** What the stages work with. */
export interface GrowthRun {
  config: pg.ClientConfig;
  /** A session in that database. */
  control: pg.Client;
  /** Y's environment. */
  env: Record<string, string>;
  feed: Feed;
  /** The stream's first chunks once more, so many of them. */
  openBeginning: (chunkCount: number) => Promise<Beginning>;
  /** For the chunks' files. */
  folder: string;
  signal: AbortSignal;
}

/** What a Y has done, and its memory at each chunk asked for. */
interface Worked {
  /** The chunks' files. */
  files: string[];
  rssBytes: number[];
  peakRssBytes: number;
}

/** A new Y works off the stream up to each of these chunks, then ends. */
async function workUpTo(
  chunks: readonly number[],
  { control, env, feed, signal }: GrowthRun,
): Promise<Worked> {
  const files: string[] = [];
  const rssBytes: number[] = [];
  const y = await WorkingY.start(control, env, signal);
  try {
    for (const chunk of chunks) {
      files.push(...(await feed.put(chunk)));
      await y.reaches(chunk);
      rssBytes.push(await y.rssBytes());
    }
    await y.stop();
  } catch (error) {
    await y.stop().catch(() => undefined);
    throw error;
  }
  return { files, rssBytes, peakRssBytes: y.peakRssBytes };
}

/** What was seen at all of them. */
export interface Stages {
  /** Of Y after its first chunk, in bytes. */
  firstRssBytes: number;
  stages: GrowthStage[];
  /** What a peer found otherwise than BankPulse; empty if all is well. */
  differences: string[];
}

/** Stops at each share of the stream, and lets the contest have what comes next. */
export async function runStages(run: GrowthRun, chunkCount: number, closeLater: CloseLater): Promise<Stages> {
  const { control, config, folder } = run;
  const contenders: Contender[] = [];
  const stages: GrowthStage[] = [];
  let firstRssBytes: number | undefined;
  for (const share of SHARES) {
    // what is timed last is the end of the stream
    const lastChunk = Math.min(Math.round(share * chunkCount), chunkCount - WARM_UP_CHUNKS - TIMED_CHUNKS);
    const isFirst = stages.length === 0;
    // long before it is timed, so that autovacuum is done with it
    const isLast = share === SHARES.at(-1);
    const beginning = isLast ? await run.openBeginning(Math.round(SHARES[0]! * chunkCount)) : undefined;
    if (beginning) closeLater(() => beginning.close());
    const { files, rssBytes, peakRssBytes } = await workUpTo(isFirst ? [1, lastChunk] : [lastChunk], run);
    firstRssBytes ??= rssBytes[0]!;
    // now there are the weights they need
    if (isFirst) {
      const peers = await openPeers(PEERS, config, folder, closeLater);
      contenders.push(...peers.map((peer) => new Contender(peer)));
    }
    for (const contender of contenders) files.forEach((file) => contender.skip(file));
    stages.push({
      share,
      ...(await timeStage(run, contenders, beginning)),
      stateSize: await readStateSize(control),
      rssBytes: rssBytes.at(-1)!,
      peakRssBytes,
    });
  }
  const differences = contenders.flatMap((contender) => contender.differences);
  return { firstRssBytes: firstRssBytes!, stages, differences };
}
