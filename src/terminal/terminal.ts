import type pg from 'pg';
import type { Kysely } from 'kysely';
import { openViews } from '../database/connection.js';
import { createLog, type Logger } from '../log.js';
import { readStatus } from '../database/status.js';
import type { Views } from '../database/views.js';
import { frameOf } from './frame.js';
import { LiveArea } from './live-area.js';
import { Progress } from './progress.js';

/** Fast enough to look alive; unchanged lines are not drawn again. */
const REDRAW_MS = 150;
/** New detections are read at most this often. */
const READ_MS = 1000;
const NEWEST = 5;

/** The log of a command, and on a terminal a live display below it. */
export interface Terminal {
  log: Logger;
  /** Reads totals and detections from this database. @returns a function that closes the connection. */
  follow(config: pg.ClientConfig): () => Promise<void>;
  /** Removes the display; the log stays. */
  close(): void;
}

/** Whether stderr is a terminal that can move its cursor, and not that of a CI job. */
export function isLive(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  const isCi = !['', 'false', '0'].includes(env.CI ?? '');
  return stream.isTTY === true && !['', 'dumb'].includes(env.TERM ?? '') && !isCi;
}

/** On a terminal a live display, with fewer log lines above it; otherwise the log alone. */
export function openTerminal(level: string): Terminal {
  if (!isLive(process.stderr, process.env) || level === 'silent') {
    return { log: createLog(level), follow: () => () => Promise.resolve(), close: () => undefined };
  }
  const display = new Display();
  return {
    log: createLog(level, { leavesOutRoutine: true }),
    follow: (config) => display.follow(config),
    close: () => display.close(),
  };
}

class Display {
  readonly #area = new LiveArea(process.stderr, [process.stdout]);
  readonly #progress = new Progress();
  readonly #stopFollowing;
  readonly #redrawing: NodeJS.Timeout;
  #reading: NodeJS.Timeout | undefined;
  #views: Kysely<Views> | undefined;

  constructor() {
    this.#stopFollowing = this.#progress.follow(
      () => (this.#reading ??= setTimeout(() => void this.#readNewest(), READ_MS).unref()),
      () => void this.#readBaseline(),
    );
    this.#redrawing = setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  follow(config: pg.ClientConfig): () => Promise<void> {
    const views = (this.#views = openViews(config));
    return () => {
      this.#views = undefined;
      return views.destroy();
    };
  }

  close(): void {
    this.#stopFollowing();
    clearInterval(this.#redrawing);
    clearTimeout(this.#reading);
    this.#area.stop();
  }

  #draw(): void {
    const { columns, rows } = process.stderr;
    const space = { columns, rows, hasColors: process.stderr.hasColors() };
    this.#area.show(frameOf(this.#progress, space, performance.now()));
  }

  /** If a read fails, the figures are not shown; the pipeline itself logs the error of the database. */
  async #readBaseline(): Promise<void> {
    if (!this.#views) return;
    const status = await readStatus(this.#views).catch(() => undefined);
    if (!status) return;
    const { chunks_applied, rows_applied, rows_rejected, detections, batches_exported } = status;
    this.#progress.start(
      { chunks: chunks_applied, rows: rows_applied + rows_rejected, detections },
      batches_exported,
    );
    await this.#readNewest();
  }

  async #readNewest(): Promise<void> {
    this.#reading = undefined;
    const newest = await this.#views
      ?.selectFrom('detection_reasons')
      .select(['action_type', 'reason_text'])
      .orderBy('detection_id', 'desc')
      .limit(NEWEST)
      .execute()
      .catch(() => undefined);
    if (newest) this.#progress.newest = newest;
  }
}
