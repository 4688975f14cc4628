/** The views and tables that TypeScript reads, with the types `pg` gives: bigint and numeric come as text. */
export interface Views {
  /** Read as one JSON object, a Status: see status.ts. */
  pipeline_status: Record<string, unknown>;
  detection_batches: { batch_no: string; object_key: string; row_count: string; exported_at: Date | null };
  /** One line of a detection file. `batch_no` and `detection_id` are its file and its place there; all else is written. */
  detection_file_rows: { batch_no: string; detection_id: string } & Record<string, string>;
  pipeline: { pipeline_id: string; bucket: string | null; owner_key: string | null };
  importance_file: { file_name: string; fingerprint: string; row_count: string; rejected_count: string };
  rejected_rows: { object_key: string; line_number: string; reason: string };
  weights_of_stream: {
    pair_count: string;
    weighted_count: string;
    known_merchants: string;
    known_customers: string;
  };
  detection_reasons: {
    detection_id: string;
    action_type: string;
    reason_text: string;
  };
  chunks: {
    object_key: string;
    chunk_no: string | null;
    etag: string;
    status: 'applied' | 'quarantined';
    error: string | null;
    quarantined_at: Date | null;
  };
}

/** The row of pipeline_status, with numbers as numbers. */
export interface Status {
  chunks_applied: number;
  chunks_quarantined: number;
  chunks_pending: number;
  rows_applied: number;
  rows_rejected: number;
  /** By pattern. */
  detections: Record<string, number>;
  batches_exported: number;
  batches_pending: number;
  /** Null if no Y has listed the bucket lately. */
  lag_seconds: number | null;
  run_id: number | null;
  run_state: 'none' | 'rebuilding' | 'ended' | 'silent' | 'not_listing' | 'working' | 'waiting';
  /** Times are ISO 8601. */
  run_started_at: string | null;
  listed_at: string | null;
  last_applied_at: string | null;
}
