import type pg from 'pg';
import { connectChecked } from '../database/connection.js';
import {
  ContentError,
  UserError,
  describePatternFailure,
  hasSqlState,
  isDataError,
  isPatternFailure,
} from '../errors.js';
import { transactionColumns } from '../csv/header.js';
import { stageCsv } from '../loader/stage.js';
import { SqlFunctions, type AppliedChunk, type NewDetection } from '../database/functions.js';
import type { ChunkOrder } from '../config.js';
import type { PendingObject } from './backlog.js';
import type { FetchedObject } from '../loader/object-content.js';

/** A chunk has at most a few detections; after a change of thresholds it may have all there are. */
const MOST_LOGGED = 20;

/** A chunk whose rows are in the lane's staging tables, in an open transaction. */
export interface StagedChunk {
  object: PendingObject;
  /** Without the bytes: the database has them now, and memory need not hold them, too. */
  fetched: Omit<FetchedObject, 'open'>;
  /** Of staging: the COPY, and summing up what came the plain way. */
  copyMs: number;
}

interface AppliedOutcome {
  kind: 'applied';
  chunk: AppliedChunk;
  /** New detections by pattern. Empty if there are none; otherwise every enabled pattern is a key. */
  detections: Record<string, number>;
  /** The last of them, for the log. */
  newest: NewDetection[];
}

/** The outcome of a chunk; `known`: the ledger had the object already. */
export type Outcome = AppliedOutcome | { kind: 'quarantined'; error: string } | { kind: 'known' };

export interface LaneOptions {
  runId: number;
  batchRows: number;
  detectionsPrefix: string;
  /** Default: number. */
  chunkOrder?: ChunkOrder;
}

/**
 * A database session with staging tables of its own. It takes one chunk at a time from bytes to a committed ledger row.
 * With two lanes, one stages the next chunk while the other applies a chunk.
 */
export class Lane {
  readonly #functions: SqlFunctions;
  #hasTables = false;

  private constructor(
    private readonly client: pg.Client,
    private readonly options: LaneOptions,
  ) {
    this.#functions = new SqlFunctions(client);
  }

  static async open(config: pg.ClientConfig, options: LaneOptions): Promise<Lane> {
    return new Lane(await connectChecked(config), options);
  }

  /** Makes the staging tables, unless it has. `stage` calls it, too. */
  async prepare(): Promise<void> {
    if (!this.#hasTables) await this.#functions.openStaging();
    this.#hasTables = true;
  }

  /** Ends the session; the server rolls back an open transaction. */
  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }

  /** @throws ContentError if the object is to be quarantined; any other error of the source or the database. */
  async stage(object: PendingObject, fetched: FetchedObject): Promise<StagedChunk> {
    await this.prepare();
    const start = performance.now();
    try {
      const way = await stageCsv(this.client, fetched.open, transactionColumns);
      // while the other lane applies a chunk; process_chunk makes rows of the careful way's records, and sums them up itself
      if (way === 'plain') await this.#functions.sumUpStagedRows();
    } catch (error) {
      await this.#rollBack();
      throw isDataError(error) ? new ContentError('refusedByDatabase', error.code) : error;
    }
    const { etag, size } = fetched;
    return { object, fetched: { etag, size }, copyMs: performance.now() - start };
  }

  /** Applies the staged chunk. Whatever the outcome, the ledger has the object when this resolves. */
  async apply({ object, fetched, copyMs }: StagedChunk): Promise<Outcome> {
    const { runId, batchRows, detectionsPrefix, chunkOrder = 'number' } = this.options;
    try {
      const chunk = await this.#functions.processChunk({
        runId,
        objectKey: object.key,
        etag: fetched.etag,
        sizeBytes: fetched.size,
        copyMs,
        batchRows,
        detectionsPrefix,
        chunkOrder,
      });
      const found = await this.#newest(chunk.detectionCount);
      await this.client.query('commit');
      return { kind: 'applied', chunk, ...found };
    } catch (error) {
      if (hasSqlState(error, 'objectInLedger')) {
        await this.#rollBack();
        return { kind: 'known' };
      }
      if (hasSqlState(error, 'objectNumberTaken')) {
        await this.#rollBack();
        const { message } = new ContentError('numberTaken', object.number!); // by name, no number is taken
        return this.quarantine(object, message);
      }
      // the rows have been accepted by now, so an error about data can only come from a pattern
      if (isPatternFailure(error) || isDataError(error)) {
        throw new UserError(
          `a pattern cannot be judged: ${describePatternFailure(error)}; correct its row in bankpulse.patterns or its function, or disable it`,
        );
      }
      throw error;
    }
  }

  /** Most chunks have none. Then the database is not asked, because the next chunk would wait for its answer. */
  async #newest(count: number): Promise<Pick<AppliedOutcome, 'detections' | 'newest'>> {
    if (count === 0) return { detections: {}, newest: [] };
    return {
      detections: await this.#functions.countNewestDetections(count),
      newest: await this.#functions.newestDetections(Math.min(count, MOST_LOGGED)),
    };
  }

  /** The ledger gets the ETag of the listing: a later listing with another one shows that the object has changed. */
  async quarantine(object: { key: string; etag: string; size: number }, error: string): Promise<Outcome> {
    const { runId, chunkOrder = 'number' } = this.options;
    const isNew = await this.#functions.quarantineChunk(runId, object, error, chunkOrder);
    return isNew ? { kind: 'quarantined', error } : { kind: 'known' };
  }

  async #rollBack(): Promise<void> {
    await this.client.query('rollback');
  }
}
