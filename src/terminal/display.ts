import type { Kysely } from 'kysely';
import type pg from 'pg';
import { openViews } from '../database/connection.js';
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

/** The live display at the foot of stderr, from the events of the pipeline and what its database has. */
export class Display {
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
