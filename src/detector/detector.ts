import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../database.js';
import { SQLSTATE, codeOf, isTransientDatabaseError, messageOf } from '../errors.js';
import { pipeline } from '../events.js';
import { retryForever } from '../retry.js';
import { SqlFunctions } from '../sql-functions.js';
import type { DetectorOptions } from './options.js';
import { reign } from './reign.js';

export type { DetectorOptions } from './options.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/**
 * Mechanism Y: applies each object under CHUNKS_PREFIX once, in the order of their numbers, and writes the detections.
 * Several may run: one works, the others stand by. Trouble with the database or the object store is waited out; only
 * an object's content ever quarantines it.
 * @returns when no more input is expected and none waits, or when the signal came.
 * @throws UserError, and whatever no waiting can cure.
 */
export async function detect(options: DetectorOptions): Promise<void> {
  const { config, log, signal } = options;
  let quietSince = performance.now();
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
      isTransient: isTransientDatabaseError,
    });
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }

  let failures = 0;
  const onProgress = () => {
    if (failures > 0) {
      log.info('the database works again');
      pipeline.tell('troubleEnded', 'database');
    }
    failures = 0;
  };
  while (!signal.aborted) {
    try {
      await reign({ ...options, runId, quietSince, onProgress });
      break;
    } catch (error) {
      if (signal.aborted) break;
      // the reign may have applied chunks, the last one perhaps without having heard of its commit
      quietSince = performance.now();
      if (!isTransientDatabaseError(error)) throw options.store.explain(error);
      if (codeOf(error) === SQLSTATE.leaseLost) log.warn('another mechanism Y has taken over; standing by');
      else if (failures === 0)
        log.warn({ reason: messageOf(error) }, 'database in trouble; trying again until it works');
      if (codeOf(error) !== SQLSTATE.leaseLost) {
        pipeline.tell('retried', 'database');
        if (failures === 0) pipeline.tell('troubleBegan', 'database');
      }
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++);
      await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    }
  }
  // a note for people; what matters is in the ledger
  await call((functions) => functions.endRun(runId)).catch((error: unknown) =>
    log.debug({ reason: messageOf(error) }, 'the end of the run was not noted'),
  );
}
