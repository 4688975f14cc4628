import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Writable } from 'node:stream';
import { expect } from 'chai';
import { main } from '../../src/cli.js';
import { projectDir } from '../../src/config.js';
import { printable } from '../../src/text/printable.js';
import { programArguments, sourceArguments } from './program.js';

/** `stderr` is as on a terminal where it says why the command ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** This and next to nothing else: neither a developer's `.env` nor their AWS profile is seen. */
const environmentOf = (env: Record<string, string>): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  NODE_ENV: 'test',
  LOG_LEVEL: 'info',
  // several run at once, and one port is all there is
  DASHBOARD_PORT: '0',
  AWS_EC2_METADATA_DISABLED: 'true',
  ...env,
});

/** With the lines of JSON that say why a command ended as a terminal shows them, which is what most tests look for. */
export function asOnTerminal(stderr: string): string {
  const readable = (line: string) => {
    if (!line.startsWith('{"level":60,')) return line;
    const { msg } = JSON.parse(line) as { msg: string };
    return printable(/^(configuration|unexpected error)\b/.test(msg) ? msg : `error: ${msg}`);
  };
  return stderr.split('\n').map(readable).join('\n');
}

/** A `bankpulse` command as a process of its own. */
export class Command {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;

  private constructor(
    readonly child: ChildProcess,
    private readonly isGroup: boolean,
  ) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: asOnTerminal(this.stderr),
    }));
  }

  static start(args: readonly string[], env: Record<string, string> = {}): Command {
    return Command.#spawn(process.execPath, [...programArguments(), ...args], env);
  }

  /** As package.json's scripts start it, from the sources in `cwd`: the project's folder, or that of a copy. */
  static startFromSources(args: readonly string[], env: Record<string, string>, cwd: string): Command {
    return Command.#spawn(process.execPath, [...sourceArguments, ...args], env, { cwd });
  }

  /** As users do, with npm in front of it, which is what gets the signals. A process group of their own. */
  static startByNpm(name: string, env: Record<string, string> & { npm_config_cache: string }): Command {
    return Command.#spawn('npm', ['run', '--silent', name], env, { isGroup: true });
  }

  static #spawn(
    file: string,
    args: readonly string[],
    env: Record<string, string>,
    { isGroup = false, cwd = projectDir }: { isGroup?: boolean; cwd?: string } = {},
  ): Command {
    const child = spawn(file, args, {
      cwd,
      detached: isGroup,
      env: environmentOf(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Command(child, isGroup);
  }

  /** Ends it, and what npm started, at once; resolves when it has ended. */
  async kill(): Promise<void> {
    const { pid, exitCode } = this.child;
    if (this.isGroup && pid !== undefined) {
      try {
        process.kill(-pid, 'SIGKILL'); // npm may have ended before what it started
      } catch {
        // nobody is left of the group
      }
    } else if (exitCode === null) {
      this.child.kill('SIGKILL');
    }
    await this.ended;
  }

  /** Resolves when its log holds this, after its first `from` characters. */
  async says(text: string, from = 0): Promise<void> {
    const isSaid = () => this.stderr.includes(text, from);
    while (!isSaid()) {
      const ended = await Promise.race([this.ended, once(this.child.stderr!, 'data').then(() => undefined)]);
      if (ended && !isSaid())
        throw new Error(`it ended with ${ended.code} and never said "${text}": ${ended.stderr}`);
    }
  }
}

/** Runs a command to its end, as a process of its own. Takes seconds of processor time; `run` takes none. */
export function runProcess(args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  return Command.start(args, env).ended;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
let isRunning = false;

/** Keeps what is written to it. */
class Output extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export type Main = typeof main;

/** `main` of a copy of the project, with the settings, the SQL and the data that are there. */
export async function mainOf(copy: string): Promise<Main> {
  const url = pathToFileURL(join(copy, 'src', 'cli.ts')).href;
  return ((await import(url)) as { main: Main }).main;
}

/**
 * Runs a command to its end in this process, with an environment and outputs of its own; what it does at signals goes
 * when it ends. One at a time, since it sees them where it always does, at `process`.
 */
export async function run(
  args: readonly string[],
  env: Record<string, string> = {},
  by: Main = main,
): Promise<Ended> {
  if (isRunning) throw new Error('a command is running in this process already: use runProcess');
  isRunning = true;
  const [stdout, stderr] = [new Output(), new Output()];
  const own = Object.entries({ env: environmentOf(env), stdout, stderr });
  const former = own.map(([name]) => [name, Object.getOwnPropertyDescriptor(process, name)!] as const);
  const listeners = SIGNALS.map((signal) => [signal, process.listeners(signal)] as const);
  try {
    for (const [name, value] of own) Object.defineProperty(process, name, { value, configurable: true });
    return { code: await by(args), stdout: stdout.text, stderr: asOnTerminal(stderr.text) };
  } finally {
    for (const [name, descriptor] of former) Object.defineProperty(process, name, descriptor);
    for (const [signal, earlier] of listeners)
      for (const listener of process.listeners(signal))
        if (!earlier.includes(listener)) process.off(signal, listener);
    isRunning = false;
  }
}

/** Runs `psql` as `run` does; its output comes by way of a file, since psql writes to the outputs of this process. */
export async function runPsql(args: readonly string[], env: Record<string, string>): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-psql-'));
  try {
    const output = join(folder, 'output');
    const ended = await run(['psql', '-o', output, ...args], env);
    return { ...ended, stdout: ended.stdout + (await readFile(output, 'utf8')) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Ended with 1 and said why in one line beside its log: no stack trace, no password, nothing on stdout. */
export function expectRefusal({ code, stdout, stderr }: Ended, line: RegExp): void {
  expect(stderr).not.to.match(/\n +at /);
  expect(stderr).not.to.include('secret');
  const refusals = stderr.split('\n').filter((text) => text !== '' && !text.startsWith('{'));
  expect(refusals).to.have.length(1);
  expect(refusals[0]).to.match(line);
  expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
}
