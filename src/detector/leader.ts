import { setMaxListeners } from 'node:events';
import { connectChecked, openViews } from '../database/connection.js';
import { SqlFunctions } from '../database/functions.js';
import { checkSchemaVersion } from '../database/schema.js';
import { pipelineEvents } from '../events.js';
import { LeaderElection } from './leader-election.js';
import { Lane } from './lane.js';
import type { LeaderOptions } from './options.js';
import { isDoneWithin } from '../async/time-limit.js';
import { applyChunks } from './apply-chunks.js';

/** Closing sessions may take this long. A session that hangs for longer ends with the process. */
const CLOSE_MS = 500;

/**
 * One term of Y as leader: it stands by until it is elected, then works until all is done, the signal is aborted or an
 * error is thrown. No state in memory outlives the term: the next one begins from the ledger.
 * @returns whether it has recorded the end of the run: a term that ends without an error tries to.
 */
export async function lead(options: LeaderOptions): Promise<boolean> {
  const election = await LeaderElection.open(options);
  // aborted at the end of the term; ends everything that the term has started
  const over = new AbortController();
  let isDone = false;
  try {
    if (await election.acquire()) {
      pipelineEvents.publish('roleChanged', 'working');
      const working = workAsLeader(options, over.signal);
      const keeping = election.keepAlive(over.signal);
      try {
        // a lost lease or a hanging server ends the term, even while the work waits for an answer that never comes
        await Promise.race([working, keeping.then(() => working)]);
      } finally {
        over.abort();
        await isDoneWithin(CLOSE_MS, Promise.allSettled([working, keeping]));
      }
    }
    isDone = true;
    return await election.endRun();
  } finally {
    pipelineEvents.publish('roleChanged', isDone || options.signal.aborted ? 'ended' : 'starting');
    await isDoneWithin(CLOSE_MS, election.close());
  }
}

/** Opens the sessions of the term, loads the weights and applies chunks; closes the sessions at the end. */
async function workAsLeader(options: LeaderOptions, over: AbortSignal): Promise<void> {
  const { config, settings, signal, runId } = options;
  const control = await connectChecked(config);
  const views = openViews(config);
  const lanes: Lane[] = [];
  const close = () =>
    Promise.allSettled([views.destroy(), control.end(), ...lanes.map((lane) => lane.close())]);
  // a query that hangs fails only when its session is closed
  over.addEventListener('abort', () => void close(), { once: true });
  const until = AbortSignal.any([signal, over]);
  // every running request adds a listener: many listeners are no leak
  setMaxListeners(0, until);
  try {
    // while this Y stood by, a newer version may have migrated the database
    await checkSchemaVersion(control);
    await options.loadWeights(control, views);
    const enabled = await new SqlFunctions(control).countNewestDetections(0);
    pipelineEvents.publish('patternsKnown', Object.keys(enabled));
    const laneOptions = {
      runId,
      batchRows: settings.BATCH_ROWS,
      detectionsPrefix: settings.DETECTIONS_PREFIX,
      chunkOrder: settings.CHUNK_ORDER,
    };
    const openLane = async () => {
      const lane = await Lane.open(config, laneOptions);
      lanes.push(lane);
      return lane;
    };
    const [first, second] = [await openLane(), await openLane()];
    // at once, since the role may lack the right to; the second one's wait for a chunk that is staged while another is applied
    await first.prepare();
    await applyChunks(options, { control, views, lanes: [first, second] }, until);
  } finally {
    await isDoneWithin(CLOSE_MS, close());
  }
}
