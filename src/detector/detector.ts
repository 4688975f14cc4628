import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../database/connection.js';
import { SQLSTATE, UserError, codeOf, hasSqlState, isTransientDatabaseError, messageOf } from '../errors.js';
import { loadImportance, loadedFile } from '../loader/importance.js';
import { retryForever } from '../async/retry.js';
import { SqlFunctions } from '../database/functions.js';
import { Trouble } from '../async/trouble.js';
import type { DetectorOptions, LeaderOptions } from './options.js';
import { lead } from './leader.js';
import { isOverBy } from './shutdown.js';

export type { DetectorOptions } from './options.js';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;

/**
 * Mechanism Y: applies each object under CHUNKS_PREFIX once, in the order of their numbers, and writes the detections.
 * Several may run: one works, the others stand by. Trouble with the database or the object store is waited out; only
 * an object's content ever quarantines it.
 * @returns when no more input is expected and none waits, or when the signal came.
 * @throws UserError, and whatever no waiting can cure.
 */
export async function detect(options: DetectorOptions): Promise<void> {
  const { config, log, signal } = options;
  const call = async <Result>(work: (functions: SqlFunctions) => Promise<Result>): Promise<Result> => {
    const client = await connect(config);
    try {
      return await work(new SqlFunctions(client));
    } finally {
      await client.end();
    }
  };
  let runId: number;
  try {
    runId = await retryForever('the database', log, () => call((functions) => functions.registerRun()), {
      signal,
      isTransient: (error) => isTransientDatabaseError(error) && !hasSqlState(error, 'readOnlyTransaction'),
    });
  } catch (error) {
    if (isOverBy(signal, error)) return;
    if (hasSqlState(error, 'readOnlyTransaction'))
      throw new UserError('the database may only be read: is it a standby, or is the role set to read only?');
    throw error;
  }

  await leadUntilOver(options, runId);
  // a note for people; what matters is in the ledger
  await call((functions) => functions.endRun(runId)).catch((error: unknown) =>
    log.debug({ reason: messageOf(error) }, 'the end of the run was not noted'),
  );
}

/** One term as leader after the other, with a growing pause after each that the database ended. */
async function leadUntilOver(options: DetectorOptions, runId: number): Promise<void> {
  const { log, signal } = options;
  const trouble = new Trouble('the database', log);
  let quietSince = performance.now();
  let failures = 0;
  let provenAt = -Infinity;
  const onProgress = () => {
    trouble.end({ works: true });
    failures = 0;
  };
  const onStandBy = () => {
    if (performance.now() >= provenAt) onProgress();
  };
  let isRead = false;
  const loadWeights: LeaderOptions['loadWeights'] = async (control, views) => {
    // a database that was promoted or restored meanwhile may have lost them
    if (isRead && (await loadedFile(views))) return;
    await loadImportance(control, views, runId, options.settings.IMPORTANCE_CSV, log);
    isRead = true;
  };
  try {
    while (!signal.aborted) {
      try {
        return await lead({ ...options, runId, loadWeights, quietSince, onProgress, onStandBy });
      } catch (error) {
        if (isOverBy(signal, error)) return;
        if (!isTransientDatabaseError(error)) throw options.store.explain(error);
        // the term may have applied chunks, the last one perhaps without having heard of its commit
        quietSince = performance.now();
        let pause = FIRST_PAUSE_MS;
        if (codeOf(error) === SQLSTATE.leaseLost) log.warn('another mechanism Y has taken over; standing by');
        else {
          trouble.retry(error);
          pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
          // where two fail in turn, for a full disk say, standing by while the other tries proves nothing
          provenAt = performance.now() + 2 * pause;
        }
        await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      }
    }
  } finally {
    trouble.end({ works: false });
  }
}
