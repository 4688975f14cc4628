import type { Status } from '../database/views.js';

/**
 * The JSON that the dashboard's server sends to the page: rows of the views of the same name in sql/, where each column
 * has its comment. Times are ISO 8601. The page's scripts use these types, too.
 */

export interface Progress extends Status {
  chunks_uploaded: number;
  rows_per_second: number | null;
  median_chunk_ms: number | null;
  last_applied_at: string | null;
  run_id: number | null;
  run_started_at: string | null;
  run_state: 'none' | 'ended' | 'silent' | 'working' | 'waiting';
}

export interface Pattern {
  pattern_id: string;
  action_type: string;
  description: string;
  is_enabled: boolean;
  thresholds: Record<string, number>;
}

export interface Chunk {
  chunk_no: number;
  run_id: number;
  applied_at: string;
  row_count: number;
  rejected_count: number;
  detection_count: number;
  is_late: boolean;
  elapsed_ms: number | null;
  rows_per_second: number | null;
}

export interface ChunkDetections {
  chunk_no: number;
  pattern_id: string;
  detection_count: number;
}

export interface Detection {
  detection_id: number;
  pattern_id: string;
  action_type: string;
  merchant_id: string;
  customer_id: string;
  chunk_no: number;
  detected_at: string;
  batch_no: number | null;
  reason_text: string;
}

export interface Merchant {
  merchant_id: string;
  transaction_count: number;
  customer_count: number;
  female_count: number;
  male_count: number;
  merchant_transactions_above: number | null;
  transactions_to_go: number | null;
  detection_count: number;
  /** Null where the sum would take too long. */
  average_amount: number | null;
}

export interface MerchantList {
  merchants: Merchant[];
  /** The number of merchants that match, shown or not. */
  count: number;
}

export interface CountBar {
  from_count: number;
  to_count: number;
  customer_count: number;
}

export interface MerchantTop {
  count_percent_rank_from: number | null;
  top_count: number | null;
  top_customer_count: number;
}

export interface LowWeight {
  customer_id: string;
  average_weight: number;
  weight_percent_rank: number;
  transaction_count: number;
  is_in_top_share: boolean;
  detected_in_chunk: number | null;
}

export interface MerchantPage {
  merchant: Merchant;
  counts: CountBar[];
  top: MerchantTop | null;
  lowWeights: LowWeight[];
  lowWeightCount: number;
  detections: Detection[];
}

export interface CustomerAtMerchant {
  customer_id: string;
  merchant_id: string;
  gender: string;
  transaction_count: number;
  total_amount: number;
  average_amount: number;
  count_percent_rank: number;
  average_weight: number | null;
  weight_percent_rank: number | null;
}

export interface CustomerPage {
  merchants: CustomerAtMerchant[];
  detections: Detection[];
}

export interface DetectionFile {
  batch_no: number;
  object_key: string;
  row_count: number;
  closed_at: string;
  exported_at: string | null;
}

export interface FilePage {
  file: DetectionFile;
  /** In the view's order: `batch_no`, `detection_id`, then the columns of the file. */
  rows: Record<string, string | number>[];
}

export interface RejectedRow {
  chunk_no: number | null;
  object_key: string;
  rejected_count: number;
  line_number: number;
  reason: string;
  line: string;
}

export interface QuarantinedObject {
  object_key: string;
  size_bytes: number;
  quarantined_at: string;
  error: string;
}

export interface ProblemsPage {
  rejectedRows: RejectedRow[];
  quarantined: QuarantinedObject[];
}

/** The sections of the event stream; each event has one section's name and holds all of it. */
export interface Sections {
  database: { isAway: boolean };
  progress: Progress;
  patterns: Pattern[];
  chunks: Chunk[];
  chunkDetections: ChunkDetections[];
  newest: Detection[];
}
