/** Who was found, and after which chunk. */
export interface Detection {
  pattern: string;
  merchant: string;
  /** Empty for a pattern about the merchant alone. */
  customer: string;
  chunk: number;
}

/** A chunk for the peers, with BankSim's ten columns in their order, quoted as there. */
export interface PeerChunk {
  /** From 1. */
  number: number;
  content: Buffer;
  /** The same bytes in a file, for those that read files faster. */
  file: string;
}

/**
 * Another way to do what BankPulse does with a chunk: from its bytes to committed detections. It judges by the thresholds
 * it was opened with, and by the weights that BankPulse has averaged. Ends with `close`.
 */
export interface Peer {
  /** Also its key in the JSON. */
  readonly name: PeerName;
  /** For people: what it does. */
  readonly about: string;
  /** Applies the next chunk. @returns what was not detected before. */
  apply(chunk: PeerChunk): Promise<Detection[]>;
  /**
   * Catches up, to be called between chunks and not timed: the chunks in these files count, without being judged, and
   * these detections have been made.
   */
  load(files: readonly string[], detections: readonly Detection[]): Promise<void>;
  close(): Promise<void>;
}

export type PeerName = 'rows' | 'views' | 'duckdb_history' | 'duckdb_state';

/** In the order in which detections are emitted. */
const sortKey = ({ chunk, pattern, merchant, customer }: Detection) =>
  [String(chunk).padStart(10, '0'), pattern, merchant, customer].join(' ');

/** What only one of two found: `-` stands before what the peer lacks, `+` before what it alone has. */
export function differences(expected: readonly Detection[], found: readonly Detection[]): string[] {
  const expectedKeys = new Set(expected.map(sortKey));
  const foundKeys = new Set(found.map(sortKey));
  return [
    ...[...expectedKeys].filter((key) => !foundKeys.has(key)).map((key) => `- ${key}`),
    ...[...foundKeys].filter((key) => !expectedKeys.has(key)).map((key) => `+ ${key}`),
  ].sort((one, other) => (one.slice(2) < other.slice(2) ? -1 : 1));
}
