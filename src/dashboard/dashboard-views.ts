import type { ColumnType } from 'kysely';

/** Queries only compare it and sort by it. Its value comes as JSON: see `jsonRow` in queries/json-rows.ts. */
export type Whole = ColumnType<number, never, never>;

/** The columns that the dashboard's queries name. The answers are JSON, described in payloads.ts. */
export interface DashboardViews {
  dashboard_progress: Record<string, unknown>;
  dashboard_chunks: { chunk_no: Whole };
  dashboard_detections_by_chunk: { chunk_no: Whole; pattern_id: string };
  detection_reasons: {
    detection_id: Whole;
    pattern_id: string;
    merchant_id: string;
    customer_id: string;
  };
  dashboard_merchants: {
    merchant_id: string;
    transaction_count: Whole;
    customer_count: Whole;
    female_count: Whole;
    male_count: Whole;
    detection_count: Whole;
  };
  dashboard_merchant_amounts: { merchant_id: string; average_amount: Whole };
  dashboard_merchant_counts: { merchant_id: string; from_count: Whole };
  near_matches: { pattern_id: string; merchant_id: string; customer_id: string; missing_text: string };
  dashboard_customers: { customer_id: string; merchant_id: string; transaction_count: Whole };
  detection_file_rows: { batch_no: Whole; detection_id: Whole };
  dashboard_rejected_rows: { chunk_no: Whole; object_key: string; line_number: Whole };
  patterns: {
    pattern_id: string;
    action_type: string;
    description: string;
    is_enabled: boolean;
    thresholds: object;
    match_function: string;
    reason_template: string | null;
  };
  chunks: { object_key: string; size_bytes: Whole; status: string; quarantined_at: Date; error: string };
  detection_batches: { batch_no: Whole };
}
