import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect, describeDatabase } from '../database/connection.js';
import { SqlFunctions } from '../database/functions.js';
import { untilDatabaseWorks } from '../database/patience.js';
import { CONNECTIONS_NEEDED } from '../database/connection-advice.js';
import { UserError, hasSqlState, isShortOfConnections, messageOf } from '../errors.js';
import { pipelineEvents } from '../events.js';
import { loadImportance, loadedFile } from '../loader/importance.js';
import { PatientStore } from '../s3/patient-store.js';
import { claimPlace } from './file-owner.js';
import { lead } from './leader.js';
import type { DetectorOptions, LeaderOptions } from './options.js';
import { version } from '../config.js';
import { isIgnorableAfter } from './shutdown.js';

export type { DetectorOptions } from './options.js';

/** After another Y has taken over, this one pauses for at most this long before it stands by. */
const REPLACED_PAUSE_MS = 100;

/**
 * Mechanism Y: applies each object under CHUNKS_PREFIX once, in the order of their numbers, and writes the detections.
 * Several Ys may run: one works, the others stand by. Transient errors of the database and the object store are
 * retried; only an object's content ever quarantines it.
 * @returns when no more input is expected and none waits, or after the signal.
 * @throws UserError, and every error that is not transient.
 */
export async function detect(options: DetectorOptions): Promise<void> {
  const { log, signal, store } = options;
  const throwUnlessIgnorable = (error: unknown) => {
    if (!isIgnorableAfter(signal, error)) throw store.explain(error);
    return undefined;
  };
  pipelineEvents.publish('roleChanged', 'starting');
  const runId = await untilDatabaseWorks(options, () => registerRun(options)).catch(throwUnlessIgnorable);
  if (runId === undefined) return;
  pipelineEvents.publish('runRegistered', runId);
  const database = describeDatabase(options.config);
  log.info({ version, run: runId, database, bucket: store.description }, 'mechanism Y has started');
  const isEndRecorded = await leadUntilOver(options, runId).catch(throwUnlessIgnorable);
  if (isEndRecorded) return;
  await call(options.config, (functions) => functions.endRun(runId)).catch((error: unknown) =>
    log.debug({ reason: messageOf(error) }, 'the end of the run was not recorded'),
  );
}

/** No query of these takes this long unless its connection hangs. */
const QUERY_MS = 60_000;

/** Calls functions of the schema on a connection of its own. */
async function call<Result>(
  config: pg.ClientConfig,
  work: (functions: SqlFunctions, client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await connect({ ...config, query_timeout: QUERY_MS });
  try {
    return await work(new SqlFunctions(client), client);
  } finally {
    await client.end();
  }
}

/**
 * Makes sure that database and bucket belong together, and records this run.
 * @throws UserError if they do not, or if the database is read only. Later in a run the latter is retried: a standby may
 * be promoted.
 */
async function registerRun(options: DetectorOptions): Promise<number> {
  const { config, settings, store, log, signal } = options;
  try {
    return await call(config, async (functions, client) => {
      await claimPlace({ client, config, settings, store: new PatientStore(store, log, signal) });
      return functions.registerRun();
    });
  } catch (error) {
    if (hasSqlState(error, 'uniqueViolation')) {
      throw new UserError(
        'the sequences of this database are behind its tables, as after a logical replication: run "npm run migrate", which sets them',
      );
    }
    if (!hasSqlState(error, 'readOnlyTransaction')) throw error;
    throw new UserError('the database may only be read: is it a standby, or is the role set to read only?');
  }
}

/** At the start, sessions of a former Y may take so long to go; if there are too few connections then, there always are. */
const SHORT_OF_CONNECTIONS_MS = 8000;

/** Leads in one term after the other, until a term ends without an error. @returns whether that recorded the end of the run. */
async function leadUntilOver(options: DetectorOptions, runId: number): Promise<boolean> {
  const { log, signal } = options;
  let quietSince = performance.now();
  let isImportanceRead = false;
  const startedAt = performance.now();
  let hasWorked = false;
  const loadWeights: LeaderOptions['loadWeights'] = async (control, views) => {
    // a database that was promoted or restored after the first term may have lost the weights
    if (isImportanceRead && (await loadedFile(views))) return;
    await loadImportance(control, views, runId, options.settings.IMPORTANCE_CSV, log, signal);
    isImportanceRead = true;
  };
  return untilDatabaseWorks(options, async ({ pausedMs, answers, works }) => {
    const onProgress = () => {
      hasWorked = true;
      works();
    };
    // If two Ys fail in turn, for example because the disk is full, one stands by while the other tries. So standing by
    // proves that the database works only after it has lasted as long as the last pause; so does a wait for the object store.
    const provenAt = performance.now() + pausedMs;
    const onWaiting = () => {
      hasWorked = true; // with all that lasts, what is short now may be there later
      if (performance.now() >= provenAt) works();
    };
    while (!signal.aborted) {
      try {
        return await lead({ ...options, runId, answers, loadWeights, quietSince, onProgress, onWaiting });
      } catch (error) {
        // the term may have applied chunks, the last one perhaps without an answer to its commit
        quietSince = performance.now();
        if (isShortOfConnections(error) && !hasWorked && quietSince - startedAt > SHORT_OF_CONNECTIONS_MS)
          throw new UserError(`too few connections: ${messageOf(error)}; ${CONNECTIONS_NEEDED}`);
        if (!hasSqlState(error, 'leaseLost')) throw error;
        log.warn('another mechanism Y has taken over; standing by');
        await sleep(REPLACED_PAUSE_MS * (0.5 + Math.random() / 2), undefined, { signal });
      }
    }
    return false;
  });
}
