/** A detection, and the chunk after which it was made. */
export type Detection = { pattern: string; merchant: string; customer: string; chunk: number };
/** The thresholds of all patterns under BankPulse's names, as decimals. */
export type Thresholds = Readonly<Record<string, string>>;
export type PeerName = 'views' | 'duckdb_history' | 'duckdb_state';

/**
 * Another way to do BankPulse's work: from a chunk's bytes to committed detections. It uses the thresholds it was opened
 * with, and the weights that BankPulse has averaged.
 */
export interface Peer {
  /** The name in the JSON. */
  readonly name: PeerName;
  /** The name in the text. */
  readonly about: string;
  /** Applies the next chunk; `file` has the same bytes, and DuckDB reads it faster. @returns the new detections */
  apply(chunk: { number: number; content: Buffer; file: string }): Promise<Detection[]>;
  /** Catches up, untimed: adds these chunks without judging them, and takes over these detections. */
  load(files: readonly string[], detections: readonly Detection[]): Promise<void>;
}
