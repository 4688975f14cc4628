import type { Queryable } from '../database/connection.js';

/** The row of audited_span. */
export interface AuditedSpan {
  first_chunk_no: number;
  last_chunk_no: number;
  rules_count: number;
  is_current: boolean;
  has_newer_weights: boolean;
}

/** The row of audit_totals. */
export interface AuditTotals {
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
 * The SQL functions of the audit, called in the scratch database; each file in sql/09_audit/ opens with its contract. Rows
 * come as JSON, in which bigint is a number.
 */
export class AuditFunctions {
  constructor(private readonly client: Queryable) {}

  async openAudit(): Promise<void> {
    await this.client.query('select bankpulse.open_audit()');
  }

  /** @returns undefined if no chunk was ever applied. */
  async auditedSpan(): Promise<AuditedSpan | undefined> {
    const { rows } = await this.client.query<{ span: AuditedSpan }>(
      'select to_jsonb(span) as span from bankpulse.audited_span() as span',
    );
    return rows[0]?.span;
  }

  async takeDetectionsAsGiven(firstJudgedNo: number): Promise<void> {
    await this.client.query('select bankpulse.take_detections_as_given(p_first_judged_no => $1)', [
      firstJudgedNo,
    ]);
  }

  /** To be called in the transaction that staged the chunk. */
  async replayChunk(chunkNo: number, key: string, isJudged: boolean): Promise<void> {
    await this.client.query(
      'select bankpulse.replay_chunk(p_chunk_no => $1, p_object_key => $2, p_is_judged => $3)',
      [chunkNo, key, isJudged],
    );
  }

  compareLedger(firstJudgedNo: number): Promise<string[]> {
    return this.#differences(
      'select * from bankpulse.compare_ledger(p_first_judged_no => $1) as difference',
      [firstJudgedNo],
    );
  }

  compareDetections(firstJudgedNo: number, lastJudgedNo: number): Promise<string[]> {
    return this.#differences(
      `select * from bankpulse.compare_detections(p_first_judged_no => $1, p_last_judged_no => $2) as difference`,
      [firstJudgedNo, lastJudgedNo],
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

  async auditTotals(firstJudgedNo: number, lastJudgedNo: number): Promise<AuditTotals> {
    const { rows } = await this.client.query<{ totals: AuditTotals }>(
      `select to_jsonb(totals) as totals
       from bankpulse.audit_totals(p_first_judged_no => $1, p_last_judged_no => $2) as totals`,
      [firstJudgedNo, lastJudgedNo],
    );
    return rows[0]!.totals;
  }

  async #differences(text: string, values: unknown[]): Promise<string[]> {
    const { rows } = await this.client.query<{ difference: string }>(text, values);
    return rows.map(({ difference }) => difference);
  }
}
