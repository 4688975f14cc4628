import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, openViews } from '../database.js';
import { loadImportance } from '../importance.js';
import type { Logger } from '../log.js';
import { SqlFunctions } from '../sql-functions.js';
import { Lane } from './lane.js';
import type { ReignOptions } from './options.js';
import { within } from './within.js';
import { work } from './work.js';

/** How often a Y that stands by asks whether it is its turn. */
const STAND_BY_MS = 500;
/** A session that does not end by itself ends with the process. */
const CLOSE_MS = 500;

/**
 * One election of Y, on one set of database sessions: from standing by until everything is done, the signal comes, or
 * something fails. Nothing in memory outlives it: after a failure the next reign begins from the ledger.
 */
export async function reign(options: ReignOptions): Promise<void> {
  const { config, settings, log, signal, runId } = options;
  const control = await connect(config);
  const views = openViews(config);
  const lanes: Lane[] = [];
  // no request of this reign goes on trying in the next
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  // every request under way listens to it: many are no leak
  setMaxListeners(0, until);
  try {
    if (!(await standBy(new SqlFunctions(control), runId, log, signal))) return;
    await loadImportance(control, views, runId, settings.IMPORTANCE_CSV, log);
    const laneOptions = {
      runId,
      batchRows: settings.BATCH_ROWS,
      detectionsPrefix: settings.DETECTIONS_PREFIX,
    };
    for (let count = 0; count < 2; count++) lanes.push(await Lane.open(config, laneOptions));
    await work(options, { control, views, lanes }, until);
  } finally {
    over.abort();
    const closing = [views.destroy(), control.end(), ...lanes.map((lane) => lane.close())];
    await within(CLOSE_MS, Promise.allSettled(closing));
  }
}

/** Waits to be elected. @returns false if the signal came first. */
async function standBy(
  functions: SqlFunctions,
  runId: number,
  log: Logger,
  signal: AbortSignal,
): Promise<boolean> {
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    if (await functions.tryTakeOver(runId)) {
      if (!isFirst) log.info('taking over');
      return true;
    }
    if (isFirst) log.info('another mechanism Y is at work; standing by');
    await sleep(STAND_BY_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
