import type { Status } from '../database/views.js';

/**
 * The JSON that the dashboard's server sends to the page: rows of the views of the same name in sql/, where each column
 * has its comment. Times are ISO 8601. The page's scripts use these types, too.
 */

export interface Progress extends Omit<Status, 'listed_at'> {
  chunks_uploaded: number;
  rows_per_second: number | null;
  median_chunk_ms: number | null;
}

export interface Pattern {
  pattern_id: string;
  action_type: string;
  description: string;
  is_enabled: boolean;
  thresholds: Record<string, number>;
  reason_template: string | null;
  /** The module in browser/patterns/ that adds to the pages; null if it has none. */
  part: string | null;
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
  /** Those it was judged by; null if they are not known any more. */
  thresholds: Record<string, number> | null;
}

export interface Merchant {
  merchant_id: string;
  transaction_count: number;
  customer_count: number;
  female_count: number;
  male_count: number;
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

export interface MerchantPage {
  merchant: Merchant;
  counts: CountBar[];
  detections: Detection[];
  /** What the patterns' parts add, by the name of the part. */
  parts: Record<string, unknown>;
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

/** Instead of an answer: the query exceeded the statement timeout. */
export interface TooSlow {
  isTooSlow: boolean;
}

export interface NearMatches {
  count: number;
  first: { merchant_id: string; customer_id: string; missing_text: string }[];
}

export interface WhatIfRow {
  change: 'added' | 'removed' | 'kept';
  merchant_id: string;
  customer_id: string;
  reason_text: string;
}

export interface WhatIf {
  added: number;
  removed: number;
  kept: number;
  /** The first that would be added, and removed. */
  first: WhatIfRow[];
}

export interface Condition {
  pattern_id: string;
  condition: string;
  value: number | null;
  threshold: number | null;
  is_met: boolean | null;
  detected_in_chunk: number | null;
}

/** What of a detection holds now: its sentence with the values of now; null if it does not hold any more. */
export interface DetectionNow {
  detection_id: number;
  reason_text: string | null;
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
  /** `timeZone`: an IANA name; null: the reader's own. */
  page: { timeZone: string | null };
  database: { isAway: boolean };
  progress: Progress;
  patterns: Pattern[];
  chunks: Chunk[];
  chunkDetections: ChunkDetections[];
  newest: Detection[];
}
