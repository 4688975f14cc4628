import type { Queryable } from '../database/connection.js';

/** A row of unjudged_chunks. */
export interface UnjudgedChunks {
  first_chunk_no: number;
  last_chunk_no: number;
  because: string;
}

/** A row of backtest_detections. */
export interface BacktestDetection {
  change: 'added' | 'removed' | 'earlier' | 'later' | 'same';
  merchant_id: string;
  customer_id: string;
  /** Null if there is no such detection. */
  chunk_no: number | null;
  /** By the other thresholds; null if there would be none. */
  other_chunk_no: number | null;
}

/** A row of backtest_chunks. */
export interface BacktestChunk {
  chunk_no: number;
  detection_count: number;
  other_detection_count: number;
}

/** The row of replay_cost. */
export interface ReplayCost {
  chunk_count: number;
  row_count: number;
  applied_seconds: number;
}

/** The row of the table checkpoint. */
export interface Checkpoint {
  chunk_no: number;
  /** The state up to this chunk was taken as it was; null if all was compared with a replay. */
  unverified_chunk_no: number | null;
  taken_at: string;
}

/** The row of audit_totals. */
export interface AuditTotals {
  /** Of the ledger. */
  last_chunk_no: number;
  chunk_count: number;
  row_count: number;
  judged_detections: number;
  given_detections: number;
  file_count: number;
  file_row_count: number;
  unwritten_batches: number;
  unbatched_detections: number;
  pair_count: number;
  merchant_count: number;
}

/**
 * The SQL functions of the audit, called in the scratch database; each file in sql/10_audit/ opens with its contract. Rows
 * come as JSON, in which bigint is a number.
 */
export class AuditFunctions {
  constructor(private readonly client: Queryable) {}

  async openAudit(): Promise<void> {
    await this.client.query('select bankpulse.open_audit()');
  }

  /** @returns the checkpoint behind which the replay begins; undefined if none was copied. */
  async beginAtCheckpoint(): Promise<Checkpoint | undefined> {
    await this.client.query('select bankpulse.begin_at_checkpoint()');
    const rows = await this.#rows<Checkpoint>(
      'select to_jsonb(checkpoint) as row from bankpulse.checkpoint',
      [],
    );
    return rows[0];
  }

  /** To be called in the transaction that staged the chunk. `byLedger`: by the rules that the ledger has for the chunk. */
  async replayChunk(chunkNo: number, key: string, byLedger: boolean): Promise<void> {
    await this.client.query(
      'select bankpulse.replay_chunk(p_chunk_no => $1, p_object_key => $2, p_by_ledger => $3)',
      [chunkNo, key, byLedger],
    );
  }

  async replayCost(): Promise<ReplayCost> {
    const rows = await this.#rows<ReplayCost>(
      'select to_jsonb(cost) as row from bankpulse.replay_cost() as cost',
      [],
    );
    return rows[0]!;
  }

  unjudgedChunks(): Promise<UnjudgedChunks[]> {
    return this.#rows('select to_jsonb(chunks) as row from bankpulse.unjudged_chunks() as chunks', []);
  }

  compareLedger(): Promise<string[]> {
    return this.#differences('select * from bankpulse.compare_ledger() as difference', []);
  }

  compareDetections(lastReplayedNo: number): Promise<string[]> {
    return this.#differences(
      'select * from bankpulse.compare_detections(p_last_replayed_no => $1) as difference',
      [lastReplayedNo],
    );
  }

  compareFiles(readBatches: readonly string[], listedKeys: readonly string[]): Promise<string[]> {
    return this.#differences(
      'select * from bankpulse.compare_files(p_read_batches => $1, p_listed_keys => $2) as difference',
      [readBatches, listedKeys],
    );
  }

  compareState(): Promise<string[]> {
    return this.#differences('select * from bankpulse.compare_state() as difference', []);
  }

  /** Called in the audited database, and not in the scratch database. */
  compareTotals(): Promise<string[]> {
    return this.#differences('select * from bankpulse.compare_totals() as difference', []);
  }

  async auditTotals(): Promise<AuditTotals> {
    const rows = await this.#rows<AuditTotals>(
      'select to_jsonb(totals) as row from bankpulse.audit_totals() as totals',
      [],
    );
    return rows[0]!;
  }

  /** @returns all thresholds of the pattern. @throws BP007 if there is no such pattern or threshold. */
  async openBacktest(
    patternId: string,
    thresholds: Record<string, unknown>,
  ): Promise<Record<string, number>> {
    const rows = await this.#rows<Record<string, number>>(
      'select bankpulse.open_backtest(p_pattern_id => $1, p_thresholds => $2) as row',
      [patternId, thresholds],
    );
    return rows[0]!;
  }

  backtestDetections(patternId: string): Promise<BacktestDetection[]> {
    return this.#rows(
      'select to_jsonb(found) as row from bankpulse.backtest_detections(p_pattern_id => $1) as found',
      [patternId],
    );
  }

  backtestChunks(patternId: string): Promise<BacktestChunk[]> {
    return this.#rows(
      'select to_jsonb(chunks) as row from bankpulse.backtest_chunks(p_pattern_id => $1) as chunks',
      [patternId],
    );
  }

  async #rows<Row>(text: string, values: unknown[]): Promise<Row[]> {
    const { rows } = await this.client.query<{ row: Row }>(text, values);
    return rows.map(({ row }) => row);
  }

  async #differences(text: string, values: unknown[]): Promise<string[]> {
    const { rows } = await this.client.query<{ difference: string }>(text, values);
    return rows.map(({ difference }) => difference);
  }
}
