import type pg from 'pg';
import type { CloseLater } from '../../../src/closing.js';
import type { ChunkTiming } from '../chunk-timing.js';
import { CHUNK_ROWS } from '../input.js';
import { Contender } from '../peers/contender.js';
import { Contest } from '../peers/contest.js';
import { openPeers } from '../peers/open-peers.js';
import type { PeerName } from '../peers/peer.js';
import type { Feed } from './feed.js';
import { readStateSize, type StateSize } from './state-size.js';
import { WorkingY } from './y.js';

/** Where Y stops, in shares of the stream; the next chunks are timed. */
const SHARES = [0.01, 0.5, 1];
const TIMED_CHUNKS = 10;
/** Of those, how many the peers take part in. */
const PEER_CHUNKS = 5;
const PEERS: readonly PeerName[] = ['duckdb_history', 'duckdb_state'];

/** What was seen at one point of the stream. */
export interface GrowthStage {
  share: number;
  /** Rows before the first chunk that was timed. */
  rows: number;
  timings: ChunkTiming[];
  /** Milliseconds per chunk. */
  peerMs: Partial<Record<PeerName, number[]>>;
  stateSize: StateSize;
  /** Of the Y that worked up to here: just before its end, and at most, in bytes. */
  rssBytes: number;
  peakRssBytes: number;
}

/** Lets the contest have the next chunks. */
async function timeStage(
  config: pg.ClientConfig,
  folder: string,
  feed: Feed,
  contenders: readonly Contender[],
  signal: AbortSignal,
): Promise<Pick<GrowthStage, 'timings' | 'peerMs'>> {
  const contest = await Contest.open(config, folder);
  const peerMs: GrowthStage['peerMs'] = {};
  try {
    const timings: ChunkTiming[] = [];
    while (timings.length < TIMED_CHUNKS) {
      signal.throwIfAborted();
      const chunk = feed.next();
      const takesPart = timings.length < PEER_CHUNKS;
      timings.push(await contest.time(chunk, contenders, () => takesPart));
      for (const { peer, ms } of takesPart ? contenders : [])
        (peerMs[peer.name] ??= []).push(ms.get(chunk.number)!);
    }
    return { timings, peerMs };
  } finally {
    await contest.close();
  }
}

/** Where everything happens. */
export interface Course {
  config: pg.ClientConfig;
  /** A session in that database. */
  control: pg.Client;
  /** Y's environment. */
  env: Record<string, string>;
  feed: Feed;
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
async function workUpTo(chunks: readonly number[], { control, env, feed, signal }: Course): Promise<Worked> {
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
export async function runStages(course: Course, chunkCount: number, closeLater: CloseLater): Promise<Stages> {
  const { control, config, feed, folder, signal } = course;
  const contenders: Contender[] = [];
  const stages: GrowthStage[] = [];
  let firstRssBytes: number | undefined;
  for (const share of SHARES) {
    // what is timed last is the end of the stream
    const lastChunk = Math.min(Math.round(share * chunkCount), chunkCount - TIMED_CHUNKS);
    const isFirst = stages.length === 0;
    const { files, rssBytes, peakRssBytes } = await workUpTo(isFirst ? [1, lastChunk] : [lastChunk], course);
    firstRssBytes ??= rssBytes[0]!;
    // now there are the weights they need
    for (const peer of isFirst ? await openPeers(PEERS, config, folder) : []) {
      closeLater(() => peer.close());
      contenders.push(new Contender(peer));
    }
    for (const contender of contenders) files.forEach((file) => contender.skip(file));
    stages.push({
      share,
      rows: lastChunk * CHUNK_ROWS,
      ...(await timeStage(config, folder, feed, contenders, signal)),
      stateSize: await readStateSize(control),
      rssBytes: rssBytes.at(-1)!,
      peakRssBytes,
    });
  }
  const differences = contenders.flatMap((contender) => contender.differences);
  return { firstRssBytes: firstRssBytes!, stages, differences };
}
