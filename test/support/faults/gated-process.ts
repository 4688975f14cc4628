import { setTimeout as sleep } from 'node:timers/promises';
import { Command, type Ended } from '../process.js';
import { Gate } from './gate.js';
import type { Place } from './place.js';
import { PostgresReader, S3Reader } from './readers.js';

/** Where a URL's server listens. */
function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

function through(url: string, gate: Gate): string {
  const gated = new URL(url);
  [gated.hostname, gated.port] = ['127.0.0.1', String(gate.port)];
  return gated.href;
}

/** A command of BankPulse as a process, with a gate between it and each of its servers. */
export class GatedProcess {
  static readonly #running = new Set<GatedProcess>();

  private constructor(
    readonly command: Command,
    readonly postgres: Gate,
    readonly s3: Gate,
  ) {
    GatedProcess.#running.add(this);
    void command.ended.then(() => {
      [postgres, s3].forEach((gate) => gate.close());
      GatedProcess.#running.delete(this);
    });
  }

  static async start(args: readonly string[], { env, databaseUrl }: Place): Promise<GatedProcess> {
    const endpoint = env.AWS_ENDPOINT_URL_S3!;
    const postgres = await Gate.open(addressOf(databaseUrl), () => new PostgresReader());
    const s3 = await Gate.open(addressOf(endpoint), () => new S3Reader());
    const command = Command.start(args, {
      ...env,
      DATABASE_URL: through(databaseUrl, postgres),
      // without the slash at the end that URLs get
      AWS_ENDPOINT_URL_S3: through(endpoint, s3).replace(/\/$/, ''),
    });
    return new GatedProcess(command, postgres, s3);
  }

  /** Runs one to its end. @throws if that is not 0. */
  static async complete(args: readonly string[], place: Place): Promise<void> {
    const { command } = await GatedProcess.start(args, place);
    const { code, stderr } = await command.ended;
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr.slice(-2000)}`);
  }

  /** Kills whatever still runs, after a failure. */
  static async killAll(): Promise<void> {
    await Promise.all([...GatedProcess.#running].map((running) => running.kill()));
  }

  get hasEnded(): boolean {
    const { exitCode, signalCode } = this.command.child;
    return exitCode !== null || signalCode !== null;
  }

  shut(): void {
    [this.postgres, this.s3].forEach((gate) => gate.shut());
  }

  reopen(): void {
    [this.postgres, this.s3].forEach((gate) => gate.reopen());
  }

  /** SIGKILL. Nothing of it reaches a server any more from the moment this is called. */
  async kill(): Promise<{ postgres: string[]; s3: string[] }> {
    this.shut();
    const passed = { postgres: this.postgres.states, s3: this.s3.states };
    this.command.child.kill('SIGKILL');
    await this.command.ended;
    return passed;
  }

  /**
   * SIGTERM, once it has come so far as to listen to signals: it has connected then.
   * @returns how it ended, and after how many milliseconds.
   */
  async terminate(): Promise<Ended & { ms: number }> {
    while (this.postgres.states.length === 0 && !this.hasEnded) await sleep(50);
    const start = performance.now();
    this.command.child.kill('SIGTERM');
    const ended = await this.command.ended;
    return { ...ended, ms: performance.now() - start };
  }

  /** The greatest chunk it said it has applied; 0 before the first. */
  get lastSaid(): number {
    const said = [...this.command.stderr.matchAll(/"chunk":(\d+),[^\n]*"msg":"chunk applied"/g)].at(-1);
    return Number(said?.[1] ?? 0);
  }
}
