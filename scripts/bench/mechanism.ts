import { spawn, type ChildProcess } from 'node:child_process';
import { projectDir } from '../../src/config.js';
import type { ObjectRequest, Told } from './tell-requests.js';
import { wallClock } from './wall-clock.js';

/** As package.json's scripts run Y, and told about; for X the limits do not matter. */
const NODE_OPTIONS = [
  ...['--max-old-space-size=512', '--max-semi-space-size=4', '--import', 'tsx'],
  ...['--import', new URL('tell-requests.ts', import.meta.url).href],
];
/** What is kept of its log, for when it fails. */
const LOG_CHARACTERS = 2000;

/** X or Y as a process of its own, as a user runs it. */
export class Mechanism {
  /** When it was started, on the wall clock. */
  readonly startedAt = wallClock();
  /** The largest resident set seen, in bytes. */
  peakRssBytes = 0;
  readonly requests: ObjectRequest[] = [];
  /** Called for each request. */
  onRequest: (request: ObjectRequest) => void = () => undefined;
  /** Resolves when it has ended with 0. Rejects when it ended otherwise, with the end of its log. */
  readonly ended: Promise<void>;
  #log = '';

  private constructor(private readonly child: ChildProcess) {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-LOG_CHARACTERS);
    });
    child.on('message', (told: Told) => {
      if ('rssBytes' in told) this.peakRssBytes = told.rssBytes;
      else {
        this.requests.push(told.request);
        this.onRequest(told.request);
      }
    });
    this.ended = this.#end();
    this.ended.catch(() => undefined); // whoever waits for it gets it
  }

  /** With the bench's own environment, and this on top. The signal ends it. */
  static start(args: readonly string[], env: Record<string, string>, signal: AbortSignal): Mechanism {
    const child = spawn(process.execPath, [...NODE_OPTIONS, 'src/cli.ts', ...args], {
      cwd: projectDir,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      signal,
    });
    return new Mechanism(child);
  }

  /** SIGTERM, if it still runs; waits for its end. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ended;
  }

  /** When the first such request reached this phase, on the wall clock; undefined if none did. */
  firstAt(phase: ObjectRequest['phase'], method: string, name: RegExp): number | undefined {
    return this.requests.find(
      (each) => each.phase === phase && each.method === method && name.test(each.name),
    )?.at;
  }

  /** As `firstAt`, the last one. */
  lastAt(phase: ObjectRequest['phase'], method: string, name: RegExp): number | undefined {
    return this.requests.findLast(
      (each) => each.phase === phase && each.method === method && name.test(each.name),
    )?.at;
  }

  async #end(): Promise<void> {
    const code = await new Promise<number | null>((resolve, reject) => {
      this.child.once('close', resolve);
      // after the signal it gets a SIGTERM, and its end is still to come
      this.child.on('error', (error) => (error.name === 'AbortError' ? undefined : reject(error)));
    });
    if (code !== 0)
      throw new Error(`${this.child.spawnargs.slice(-2).join(' ')} ended with ${code}: ${this.#log}`);
  }
}
