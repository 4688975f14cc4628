import type { ChunkOrder } from '../config.js';
import type { Queryable } from './connection.js';

/** The ledger row of a chunk, as process_chunk returns it. */
export interface AppliedChunk {
  chunkNo: number;
  rowCount: number;
  rejectedCount: number;
  detectionCount: number;
  isLate: boolean;
  /** Milliseconds per step: copy (all of staging), accept, pairs, merchants, detect. */
  timings: Record<string, number>;
}

/** A detection in words. */
export interface NewDetection {
  patternId: string;
  reason: string;
}

/** A rejected row of a file. */
export interface RejectedRow {
  line: number;
  reason: string;
}

/** A listed object that is not in the ledger, or that has changed since. */
export interface UnseenObject {
  key: string;
  /** Null if the key has no usable number, or chunks go by name. Up to 18 digits, hence bigint. */
  number: bigint | null;
  /** `mended`: it was quarantined, and is another object now. */
  status: 'new' | 'mended' | 'unnumbered' | 'replaced';
}

/**
 * The SQL functions of schema bankpulse, one typed method each, called with named arguments. Each file in sql/ opens with
 * what its function reads, writes and raises.
 */
export class SqlFunctions {
  constructor(private readonly client: Queryable) {}

  async openStaging(): Promise<void> {
    await this.client.query('select bankpulse.open_staging()');
  }

  async sumUpStagedRows(): Promise<void> {
    await this.client.query('select bankpulse.sum_up_staged_rows()');
  }

  async registerRun(): Promise<number> {
    return Number(await this.#value('select bankpulse.register_run() as value', []));
  }

  async tryTakeOver(runId: number): Promise<boolean> {
    return (await this.#value('select bankpulse.try_take_over(p_run_id => $1) as value', [runId])) as boolean;
  }

  async checkLease(runId: number): Promise<void> {
    await this.client.query('select bankpulse.check_lease(p_run_id => $1)', [runId]);
  }

  async endRun(runId: number): Promise<void> {
    await this.client.query('select bankpulse.end_run(p_run_id => $1)', [runId]);
  }

  /** `validMs`: for how long that holds. */
  async recordListing(
    runId: number,
    pendingCount: number,
    oldestPendingAt: Date | null,
    validMs: number,
  ): Promise<void> {
    await this.client.query(
      `select bankpulse.record_listing(
        p_run_id => $1, p_pending_count => $2, p_oldest_pending_at => $3,
        p_valid_for => make_interval(secs => $4)
      )`,
      [runId, pendingCount, oldestPendingAt, validMs / 1000],
    );
  }

  async unseenObjects(
    keys: readonly string[],
    etags: readonly string[],
    chunkOrder: ChunkOrder = 'number',
  ): Promise<UnseenObject[]> {
    const { rows } = await this.client.query<{
      object_key: string;
      object_number: string | null;
      status: UnseenObject['status'];
    }>('select * from bankpulse.unseen_objects(p_object_keys => $1, p_etags => $2, p_chunk_order => $3)', [
      keys,
      etags,
      chunkOrder,
    ]);
    return rows.map((row) => ({
      key: row.object_key,
      number: row.object_number === null ? null : BigInt(row.object_number),
      status: row.status,
    }));
  }

  /** @throws BP008 if the applied chunks went by another order. */
  async checkChunkOrder(chunkOrder: ChunkOrder): Promise<void> {
    await this.client.query('select bankpulse.check_chunk_order(p_chunk_order => $1)', [chunkOrder]);
  }

  /** Whether the object is the one that was applied; if so, its ETag in listings is noted. */
  async noteListedEtag(key: string, etag: string, listedEtag: string): Promise<boolean> {
    return (await this.#value(
      'select bankpulse.note_listed_etag(p_object_key => $1, p_etag => $2, p_listed_etag => $3) as value',
      [key, etag, listedEtag],
    )) as boolean;
  }

  async lastObjectNumber(): Promise<bigint | null> {
    const value = (await this.#value('select bankpulse.last_object_number() as value', [])) as string | null;
    return value === null ? null : BigInt(value);
  }

  /** To be called in the transaction that staged the chunk. */
  async processChunk(chunk: {
    runId: number;
    objectKey: string;
    etag: string;
    sizeBytes: number;
    copyMs: number;
    batchRows: number;
    detectionsPrefix: string;
    chunkOrder?: ChunkOrder;
  }): Promise<AppliedChunk> {
    const { rows } = await this.client.query<{
      chunk_no: string;
      row_count: string;
      rejected_count: string;
      detection_count: string;
      is_late: boolean;
      timings: Record<string, number>;
    }>({
      name: 'process_chunk', // prepared once per connection
      text: `select chunk_no, row_count, rejected_count, detection_count, is_late, timings
        from bankpulse.process_chunk(
          p_run_id => $1, p_object_key => $2, p_etag => $3, p_size_bytes => $4, p_copy_ms => $5,
          p_batch_rows => $6, p_detections_prefix => $7, p_chunk_order => $8
        )`,
      values: [
        chunk.runId,
        chunk.objectKey,
        chunk.etag,
        chunk.sizeBytes,
        chunk.copyMs.toFixed(3),
        chunk.batchRows,
        chunk.detectionsPrefix,
        chunk.chunkOrder ?? 'number',
      ],
    });
    const row = rows[0]!;
    return {
      chunkNo: Number(row.chunk_no),
      rowCount: Number(row.row_count),
      rejectedCount: Number(row.rejected_count),
      detectionCount: Number(row.detection_count),
      isLate: row.is_late,
      timings: row.timings,
    };
  }

  /**
   * By pattern, every enabled one. In the transaction that applied a chunk, the newest detections are those of the chunk.
   */
  async countNewestDetections(count: number): Promise<Record<string, number>> {
    return (await this.#value('select bankpulse.count_newest_detections(p_count => $1) as value', [
      count,
    ])) as Record<string, number>;
  }

  /** The newest detections with their sentences, in the order in which they were found. */
  async newestDetections(count: number): Promise<NewDetection[]> {
    const { rows } = await this.client.query<{ pattern_id: string; reason_text: string }>(
      'select pattern_id, reason_text from bankpulse.newest_detections(p_count => $1)',
      [count],
    );
    return rows.map(({ pattern_id, reason_text }) => ({ patternId: pattern_id, reason: reason_text }));
  }

  /** Returns whether that is new in the ledger. */
  async quarantineChunk(
    runId: number,
    object: { key: string; etag: string; size: number },
    error: string,
    chunkOrder: ChunkOrder = 'number',
  ): Promise<boolean> {
    return (await this.#value(
      `select bankpulse.quarantine_chunk(
        p_run_id => $1, p_object_key => $2, p_etag => $3, p_size_bytes => $4, p_error => $5,
        p_chunk_order => $6
      ) as value`,
      [runId, object.key, object.etag, object.size, error, chunkOrder],
    )) as boolean;
  }

  async retryQuarantinedChunk(key: string): Promise<boolean> {
    return (await this.#value('select bankpulse.retry_quarantined_chunk(p_object_key => $1) as value', [
      key,
    ])) as boolean;
  }

  /** @returns how many batches it closed. */
  async closeBatches(
    runId: number,
    batchRows: number,
    detectionsPrefix: string,
    flush: boolean,
  ): Promise<number> {
    return Number(
      await this.#value(
        `select bankpulse.close_batches(
          p_run_id => $1, p_batch_rows => $2, p_detections_prefix => $3, p_flush => $4
        ) as value`,
        [runId, batchRows, detectionsPrefix, flush],
      ),
    );
  }

  async claimPlace(bucket: string, ownerKey: string): Promise<void> {
    await this.client.query('select bankpulse.claim_place(p_bucket => $1, p_owner_key => $2)', [
      bucket,
      ownerKey,
    ]);
  }

  async lastDetectionFileKey(detectionsPrefix: string): Promise<string> {
    return (await this.#value(
      'select bankpulse.last_detection_file_key(p_detections_prefix => $1) as value',
      [detectionsPrefix],
    )) as string;
  }

  /** `rows` by the names of the columns. */
  async takeOverFile(
    runId: number,
    batchNo: number,
    objectKey: string,
    rows: readonly Record<string, string>[],
  ): Promise<void> {
    await this.client.query(
      'select bankpulse.take_over_file(p_run_id => $1, p_batch_no => $2, p_object_key => $3, p_rows => $4)',
      [runId, batchNo, objectKey, JSON.stringify(rows)],
    );
  }

  async markBatchExported(batchNo: string): Promise<void> {
    await this.client.query('select bankpulse.mark_batch_exported(p_batch_no => $1)', [batchNo]);
  }

  /** To be called in the transaction that staged the file. */
  async loadImportance(
    runId: number,
    fileName: string,
    fingerprint: string,
  ): Promise<{ rowCount: number; rejectedCount: number }> {
    const { rows } = await this.client.query<{ row_count: string; rejected_count: string }>(
      `select row_count, rejected_count from bankpulse.load_importance(
        p_run_id => $1, p_file_name => $2, p_fingerprint => $3
      )`,
      [runId, fileName, fingerprint],
    );
    return { rowCount: Number(rows[0]!.row_count), rejectedCount: Number(rows[0]!.rejected_count) };
  }

  /** The first row of a file that was rejected; undefined if none was. */
  async firstRejectedRow(objectKey: string): Promise<RejectedRow | undefined> {
    const { rows } = await this.client.query<{ line_number: string; reason: string }>(
      'select line_number, reason from bankpulse.first_rejected_row(p_object_key => $1)',
      [objectKey],
    );
    return rows[0] && { line: Number(rows[0].line_number), reason: rows[0].reason };
  }

  /** First half of a rebuild; the caller then fills customer_merchant_stats, in the same transaction. */
  async emptyState(runId: number): Promise<void> {
    await this.client.query('select bankpulse.empty_state(p_run_id => $1)', [runId]);
  }

  /** Second half of a rebuild, in the same transaction. */
  async completeState(runId: number): Promise<void> {
    await this.client.query('select bankpulse.complete_state(p_run_id => $1)', [runId]);
  }

  async refreshViews(): Promise<void> {
    await this.client.query('select bankpulse.refresh_views()');
  }

  async #value(text: string, values: unknown[]): Promise<unknown> {
    const { rows } = await this.client.query<{ value: unknown }>(text, values);
    return rows[0]?.value;
  }
}
