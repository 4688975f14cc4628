import type { Kysely } from 'kysely';
import type pg from 'pg';
import type { DetectorSettings } from '../config.js';
import type { Logger } from '../log.js';
import type { ObjectStore } from '../s3/object-store.js';
import type { Views } from '../database/views.js';
import type { AppliedEvent } from './chunk-loop.js';

export interface DetectorOptions {
  config: pg.ClientConfig;
  store: ObjectStore;
  settings: DetectorSettings;
  log: Logger;
  /** The first SIGTERM or SIGINT: finish what is in hand. */
  signal: AbortSignal;
  /** Whether no more objects are expected, so that the work ends when none waits; without `--once` never. */
  isInputOver: () => boolean;
  onApplied?: ((event: AppliedEvent) => void) | undefined;
  /**
   * Nothing has come for FLUSH_AFTER_MS, and the last detections are written; called again and again while so.
   * `endSeenAt`: what was put before, on the clock of `performance.now()`, has been seen.
   */
  onQuiet?: ((endSeenAt: number) => void) | undefined;
}

export interface LeaderOptions extends DetectorOptions {
  runId: number;
  /** In this process's first term reads the importance file; in later ones makes sure that it is still loaded. */
  loadWeights: (control: pg.Client, views: Kysely<Views>) => Promise<void>;
  /** Since when this process has applied no chunk, on the clock of `performance.now()`. */
  quietSince: number;
  /** A chunk is applied, or nothing waits: what was in trouble works. */
  onProgress: () => void;
  /** The database has answered that another Y is at work; called again and again while so. */
  onStandBy: () => void;
}
