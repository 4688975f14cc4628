import type { Kysely } from 'kysely';
import type pg from 'pg';
import type { DetectorSettings } from '../config.js';
import type { Answers } from '../async/retry.js';
import type { Logger } from '../log.js';
import type { ObjectStore } from '../s3/object-store.js';
import type { Views } from '../database/views.js';
import type { AppliedEvent } from './chunk-loop.js';

export interface DetectorOptions {
  config: pg.ClientConfig;
  store: ObjectStore;
  settings: DetectorSettings;
  log: Logger;
  /** Aborted by the first SIGTERM or SIGINT: Y finishes the chunk that it is applying, and ends. */
  signal: AbortSignal;
  /** Whether no more objects are expected: Y then ends when none waits. Always false without `--once`. */
  isInputOver: () => boolean;
  /** After how many milliseconds an object that alone fails is held; default: as UnreadableObjects has it. */
  stuckMs?: number | undefined;
  onApplied?: ((event: AppliedEvent) => void) | undefined;
  /**
   * Called repeatedly while no chunk has been applied for FLUSH_AFTER_MS and the last detections are written.
   * `endSeenAt`: X's chunks put before this time, on the clock of `performance.now()`, have been seen.
   */
  onQuiet?: ((endSeenAt: number) => void) | undefined;
}

export interface LeaderOptions extends DetectorOptions {
  runId: number;
  /** Those of the database: while it does not answer, it is in trouble. */
  answers: Answers;
  /** Loads the importance file in this process's first term; in later terms only if the database has no weights. */
  loadWeights: (control: pg.Client, views: Kysely<Views>) => Promise<void>;
  /** Since when this process has applied no chunk, on the clock of `performance.now()`. */
  quietSince: number;
  /** Called when a chunk is applied, or nothing waits: the database and the object store work. */
  onProgress: () => void;
  /** Called repeatedly while another Y is at work, or the object store is away, each time the database has answered. */
  onWaiting: () => void;
}
