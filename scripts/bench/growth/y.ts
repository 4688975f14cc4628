import { setTimeout as sleep } from 'node:timers/promises';
import getPort from 'get-port';
import type pg from 'pg';
import { median } from '../measure.js';
import { Mechanism } from '../mechanism.js';

const LOOK_MS = 100;
/** Memory is the median of so many looks. */
const MEMORY_LOOKS = 9;
const RSS = /^process_resident_memory_bytes (\S+)$/m;

/** The real Y, reading chunks from S3, up to a chunk and no further. */
export class WorkingY {
  private constructor(
    private readonly process: Mechanism,
    private readonly client: pg.Client,
    private readonly metricsUrl: string,
  ) {}

  static async start(client: pg.Client, env: Record<string, string>, signal: AbortSignal): Promise<WorkingY> {
    const port = await getPort();
    const process = Mechanism.start(
      ['detect'],
      { ...env, DASHBOARD_HOST: '127.0.0.1', DASHBOARD_PORT: String(port) },
      signal,
    );
    return new WorkingY(process, client, `http://127.0.0.1:${port}/metrics`);
  }

  /** Resolves when this chunk is applied. */
  async reaches(chunk: number): Promise<void> {
    const isThere = async () =>
      (await this.client.query('select from bankpulse.chunks where chunk_no = $1', [chunk])).rowCount !== 0;
    while (!(await isThere())) {
      const hasEnded = await Promise.race([sleep(LOOK_MS), this.process.ended.then(() => true)]);
      if (hasEnded) throw new Error(`mechanism Y ended before chunk ${chunk}`);
    }
  }

  /** Its resident set now, in bytes, as it tells itself. */
  async rssBytes(): Promise<number> {
    const seen: number[] = [];
    while (seen.length < MEMORY_LOOKS) {
      const text = await (await fetch(this.metricsUrl)).text();
      const value = Number(RSS.exec(text)?.[1]);
      if (Number.isNaN(value)) throw new Error('its metrics do not tell its memory');
      seen.push(value);
      await sleep(LOOK_MS);
    }
    return median(seen)!;
  }

  get peakRssBytes(): number {
    return this.process.peakRssBytes;
  }

  /** By SIGTERM. */
  async stop(): Promise<void> {
    await this.process.stop();
  }
}
