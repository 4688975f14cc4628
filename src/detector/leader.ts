import { setMaxListeners } from 'node:events';
import { connectChecked, openViews } from '../database/connection.js';
import { pipelineEvents } from '../events.js';
import { LeaderElection } from './leader-election.js';
import { Lane } from './lane.js';
import type { LeaderOptions } from './options.js';
import { isDoneWithin } from '../async/time-limit.js';
import { applyChunks } from './apply-chunks.js';

/** A session that does not end by itself ends with the process. */
const CLOSE_MS = 500;

/**
 * One term of Y as leader: from standing by until everything is done, the signal comes, or something fails. Nothing in
 * memory outlives it: after a failure the next term begins from the ledger.
 */
export async function lead(options: LeaderOptions): Promise<void> {
  const election = await LeaderElection.open(options.config, options.runId);
  // whatever this term has begun ends with it
  const over = new AbortController();
  try {
    if (!(await election.acquire(options))) return;
    pipelineEvents.publish('roleChanged', 'working');
    const working = workAsLeader(options, over.signal);
    try {
      // a lost lease, or a server that hangs, ends the term even if the work waits for an answer that never comes
      await Promise.race([working, election.keepAlive(over.signal).then(() => working)]);
    } finally {
      over.abort();
      await isDoneWithin(CLOSE_MS, Promise.allSettled([working]));
    }
  } finally {
    pipelineEvents.publish('roleChanged', 'starting');
    await isDoneWithin(CLOSE_MS, election.close());
  }
}

/** What the elected Y does, on sessions of its own, until it is over. */
async function workAsLeader(options: LeaderOptions, over: AbortSignal): Promise<void> {
  const { config, settings, signal, runId } = options;
  const control = await connectChecked(config);
  const views = openViews(config);
  const lanes: Lane[] = [];
  const close = () =>
    Promise.allSettled([views.destroy(), control.end(), ...lanes.map((lane) => lane.close())]);
  // a session that hangs ends only by being cut off
  over.addEventListener('abort', () => void close(), { once: true });
  const until = AbortSignal.any([signal, over]);
  // every request under way listens to it: many are no leak
  setMaxListeners(0, until);
  try {
    await options.loadWeights(control, views);
    const laneOptions = {
      runId,
      batchRows: settings.BATCH_ROWS,
      detectionsPrefix: settings.DETECTIONS_PREFIX,
    };
    for (let count = 0; count < 2; count++) lanes.push(await Lane.open(config, laneOptions));
    await applyChunks(options, { control, views, lanes }, until);
  } finally {
    await isDoneWithin(CLOSE_MS, close());
  }
}
