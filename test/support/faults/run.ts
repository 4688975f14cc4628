import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/generate/random.js';
import { GatedProcess } from './gated-process.js';
import { run } from '../process.js';
import { readOutcome, type Outcome } from './outcome.js';
import type { Place } from './place.js';
import type { Tally } from './tally.js';

/** A Y at work, and what is remembered of its start. */
export interface Worker {
  process: GatedProcess;
  appliedBefore: number;
  bornAt: Date;
}

/** A time between two questions to the database's clock in which a short file may be closed. */
export type Span = [from: Date, to: Date];

/** One run of X and Y over a place's input, while faults happen to them. */
export class FaultyRun {
  worker!: Worker;
  /** When Y had a SIGTERM. */
  readonly spans: Span[] = [];

  constructor(
    readonly place: Place,
    readonly random: Random,
    readonly tally: Tally,
    /** How many chunks the input has. */
    private readonly chunkCount: number,
  ) {}

  /** Whether nothing is left that Y could do: every chunk is applied, and no file waits. */
  async isOver(): Promise<boolean> {
    const [row] = await this.place.ask<{ is_over: boolean }>(
      `select (select coalesce(max(chunk_no), 0) from bankpulse.chunks) >= $1
         and not exists (select from bankpulse.detection_batches where exported_at is null) as is_over`,
      [this.chunkCount],
    );
    return row!.is_over;
  }

  async databaseTime(): Promise<Date> {
    const [row] = await this.place.ask<{ now: Date }>('select clock_timestamp() as now');
    return row!.now;
  }

  /** Starts a Y that is to work. */
  async startWorker(): Promise<void> {
    const [bornAt, appliedBefore] = [await this.databaseTime(), await this.place.applied()];
    this.worker = { bornAt, appliedBefore, process: await GatedProcess.start(['detect'], this.place) };
  }

  /** Starts a second Y beside the one that works, and waits until it stands by. */
  async startSpare(): Promise<GatedProcess> {
    await this.untilElected();
    const spare = await GatedProcess.start(['detect'], this.place);
    await spare.command.says('standing by');
    return spare;
  }

  /** Until the worker holds the lock. Before that, a database that is away ends it, as anything does at a start. */
  async untilElected(): Promise<void> {
    for (let isElected = false; !isElected; await sleep(50)) {
      this.assertAlive();
      const [row] = await this.place.ask<{ is_elected: boolean }>(
        `select exists (
           select from pg_locks inner join pg_stat_activity using (pid)
           where locktype = 'advisory' and granted and datname = current_database() and client_port = any ($1)
         ) as is_elected`,
        [this.worker.process.postgres.ports],
      );
      isElected = row!.is_elected;
    }
  }

  /** The spare works from now on. */
  async promote(spare: GatedProcess): Promise<void> {
    const [bornAt, appliedBefore] = [await this.databaseTime(), await this.place.applied()];
    this.worker = { bornAt, appliedBefore, process: spare };
  }

  /** @throws if Y ended by itself: it must live through everything but a kill. */
  assertAlive(): void {
    const { process: y } = this.worker;
    if (y.hasEnded) throw new Error(`Y ended by itself: ${y.command.stderr.slice(-2000)}`);
  }

  /** A SIGTERM to Y, which must end with 0 within 5 s. */
  async terminate(y: GatedProcess): Promise<void> {
    const from = await this.databaseTime();
    const { code, ms, stderr } = await y.terminate();
    // one that stands by closes nothing
    if (y === this.worker.process) this.spans.push([from, await this.databaseTime()]);
    this.tally.time('Y ends after SIGTERM', ms);
    if (code !== 0 || ms > 5000)
      throw new Error(`after SIGTERM Y ended with ${code} in ${Math.round(ms)} ms: ${stderr.slice(-2000)}`);
  }

  /** Lets Y come to its end undisturbed: everything is applied, and every file is written. */
  async finish(): Promise<void> {
    this.assertAlive();
    await this.terminate(this.worker.process);
    await GatedProcess.complete(['detect', '--once'], this.place);
  }

  /** A pause of less than so many milliseconds. */
  async pause(mostMs: number): Promise<void> {
    await sleep(this.random.below(mostMs));
  }
}

/** X and Y over the place's input when nothing happens to them. @returns what they come to. */
export async function undisturbed(place: Place): Promise<Outcome> {
  for (const args of [['produce'], ['detect', '--once']]) {
    const { code, stderr } = await run(args, place.env);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr.slice(-2000)}`);
  }
  return readOutcome(place);
}
