import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../database/connection.js';
import { SqlFunctions } from '../database/functions.js';
import { untilDatabaseWorks } from '../database/patience.js';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import { loadImportance, loadedFile } from '../loader/importance.js';
import { lead } from './leader.js';
import type { DetectorOptions, LeaderOptions } from './options.js';
import { isOverBy } from './shutdown.js';

export type { DetectorOptions } from './options.js';

/** After another Y has taken over: at most so long until this one stands by. */
const REPLACED_PAUSE_MS = 100;

/**
 * Mechanism Y: applies each object under CHUNKS_PREFIX once, in the order of their numbers, and writes the detections.
 * Several may run: one works, the others stand by. Trouble with the database or the object store is waited out; only
 * an object's content ever quarantines it.
 * @returns when no more input is expected and none waits, or when the signal came.
 * @throws UserError, and every error that waiting cannot cure.
 */
export async function detect(options: DetectorOptions): Promise<void> {
  const { log, signal, store } = options;
  const unlessOver = (error: unknown) => {
    if (!isOverBy(signal, error)) throw store.explain(error);
    return undefined;
  };
  const runId = await untilDatabaseWorks(options, () => registerRun(options)).catch(unlessOver);
  if (runId === undefined) return;
  await leadUntilOver(options, runId).catch(unlessOver);
  await call(options, (functions) => functions.endRun(runId)).catch((error: unknown) =>
    log.debug({ reason: messageOf(error) }, 'the end of the run was not noted'),
  );
}

/** Calls a function of the schema on a connection of its own. */
async function call<Result>(
  { config }: DetectorOptions,
  work: (functions: SqlFunctions) => Promise<Result>,
): Promise<Result> {
  const client = await connect(config);
  try {
    return await work(new SqlFunctions(client));
  } finally {
    await client.end();
  }
}

/** @throws UserError if the database can only be read. Later that is waited out: a standby may be promoted. */
async function registerRun(options: DetectorOptions): Promise<number> {
  try {
    return await call(options, (functions) => functions.registerRun());
  } catch (error) {
    if (!hasSqlState(error, 'readOnlyTransaction')) throw error;
    throw new UserError('the database may only be read: is it a standby, or is the role set to read only?');
  }
}

/** One term as leader after the other, until one ends in order. */
async function leadUntilOver(options: DetectorOptions, runId: number): Promise<void> {
  const { log, signal } = options;
  let quietSince = performance.now();
  let isImportanceRead = false;
  const loadWeights: LeaderOptions['loadWeights'] = async (control, views) => {
    // a database that was promoted or restored after the first term may have lost the weights
    if (isImportanceRead && (await loadedFile(views))) return;
    await loadImportance(control, views, runId, options.settings.IMPORTANCE_CSV, log);
    isImportanceRead = true;
  };
  await untilDatabaseWorks(options, async ({ pausedMs, works }) => {
    // While two Ys fail in turn, for a full disk say, one stands by and the other tries: the first one's standing by
    // proves only after a while that the database works.
    const provenAt = performance.now() + pausedMs;
    const onStandBy = () => {
      if (performance.now() >= provenAt) works();
    };
    while (!signal.aborted) {
      try {
        return await lead({ ...options, runId, loadWeights, quietSince, onProgress: works, onStandBy });
      } catch (error) {
        // the term may have applied chunks, the last one perhaps without an answer to its commit
        quietSince = performance.now();
        if (!hasSqlState(error, 'leaseLost')) throw error;
        log.warn('another mechanism Y has taken over; standing by');
        await sleep(REPLACED_PAUSE_MS * (0.5 + Math.random() / 2), undefined, { signal });
      }
    }
  });
}
