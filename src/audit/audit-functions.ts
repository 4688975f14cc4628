import type { Queryable } from '../database.js';

/** The chunks that can be judged again; see audited_span. */
export interface AuditedSpan {
  firstChunkNo: number;
  lastChunkNo: number;
  rulesCount: number;
  isCurrent: boolean;
  hasNewerWeights: boolean;
}

/** What was compared; see audit_totals. */
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

/** A chunk of the ledger. */
export interface LedgerChunk {
  chunkNo: number;
  key: string;
  etag: string;
}

/** A batch of the outbox. */
export interface Batch {
  batchNo: string;
  key: string;
  isExported: boolean;
}

/** The SQL functions of the audit, and its reads, in the scratch database; their contracts stand in sql/06*. */
export class AuditFunctions {
  constructor(private readonly client: Queryable) {}

  async openAudit(): Promise<void> {
    await this.client.query('select bankpulse.open_audit()');
  }

  /** Undefined if no chunk was ever applied. */
  async span(): Promise<AuditedSpan | undefined> {
    const { rows } = await this.client.query<{
      first_chunk_no: string;
      last_chunk_no: string;
      rules_count: string;
      is_current: boolean;
      has_newer_weights: boolean;
    }>('select * from bankpulse.audited_span()');
    const row = rows[0];
    return (
      row && {
        firstChunkNo: Number(row.first_chunk_no),
        lastChunkNo: Number(row.last_chunk_no),
        rulesCount: Number(row.rules_count),
        isCurrent: row.is_current,
        hasNewerWeights: row.has_newer_weights,
      }
    );
  }

  /** Detections of earlier chunks are no news to the replay. */
  async takeAsGiven(firstChunkNo: number): Promise<void> {
    await this.client.query(
      `insert into pg_temp.replayed_detections (pattern_id, merchant_id, customer_id, chunk_no)
       select pattern_id, merchant_id, customer_id, chunk_no from bankpulse.detections where chunk_no < $1`,
      [firstChunkNo],
    );
  }

  async ledger(): Promise<LedgerChunk[]> {
    const { rows } = await this.client.query<{ chunk_no: string; object_key: string; etag: string }>(
      'select chunk_no, object_key, etag from bankpulse.chunks where chunk_no is not null order by chunk_no',
    );
    return rows.map(({ chunk_no, object_key, etag }) => ({
      chunkNo: Number(chunk_no),
      key: object_key,
      etag,
    }));
  }

  async batches(): Promise<Batch[]> {
    const { rows } = await this.client.query<{
      batch_no: string;
      object_key: string;
      is_exported: boolean;
    }>(
      `select batch_no, object_key, exported_at is not null as is_exported
       from bankpulse.detection_batches order by batch_no`,
    );
    return rows.map(({ batch_no, object_key, is_exported }) => ({
      batchNo: batch_no,
      key: object_key,
      isExported: is_exported,
    }));
  }

  /** Within the transaction that staged the chunk. */
  async replayChunk({ chunkNo, key }: LedgerChunk, isJudged: boolean): Promise<void> {
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

  async totals(firstJudgedNo: number, lastJudgedNo: number): Promise<AuditTotals> {
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
