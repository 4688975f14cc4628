import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Terminal } from '@xterm/headless';
import { projectDir } from '../../src/config.js';
import { programArguments } from './program.js';

// CommonJS, which tsx and Node import in different ways
const xterm = createRequire(import.meta.url)('@xterm/headless') as typeof import('@xterm/headless');

/** util-linux; the script(1) of other systems takes other arguments. */
export const hasPseudoTerminals = process.platform === 'linux' && existsSync('/usr/bin/script');

/** An emulator without a window. */
export function newScreen(columns: number, rows: number): Terminal {
  return new xterm.Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true });
}

/** The lines on the screen and above it, whole where they were broken in two, without those that are empty. */
export function linesOf(screen: Terminal): string[] {
  const { active } = screen.buffer;
  const lines: string[] = [];
  for (let at = 0; at < active.length; at++) {
    const line = active.getLine(at)!;
    const isBroken = active.getLine(at + 1)?.isWrapped === true;
    const text = line.translateToString(!isBroken);
    if (line.isWrapped) lines.push(lines.pop()! + text);
    else lines.push(text);
  }
  return lines.filter((line) => line !== '');
}

/** A `bankpulse` command on a pseudo-terminal, and the terminal's screen as a person would see it. */
export class PseudoTerminal {
  /** Everything that was written to it. */
  raw = '';
  readonly #screen: Terminal;
  readonly #written: Promise<void>[] = [];
  readonly #child;
  readonly #ended: Promise<number | null>;

  private constructor(
    private readonly folder: string,
    command: string,
    env: Record<string, string>,
    columns: number,
    rows: number,
  ) {
    this.#screen = newScreen(columns, rows);
    const begin = `stty cols ${columns} rows ${rows}; echo $$ > pid; cd "${projectDir}"; exec ${command}`;
    this.#child = spawn('/usr/bin/script', ['-qfec', begin, '/dev/null'], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        HOME: '/nonexistent',
        SHELL: '/bin/sh',
        NODE_ENV: 'test',
        TERM: 'xterm-256color',
        AWS_EC2_METADATA_DISABLED: 'true',
        ...env,
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#child.stdout.on('data', (data: Buffer) => {
      this.raw += data.toString('latin1');
      this.#written.push(new Promise((resolve) => this.#screen.write(data, resolve)));
    });
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  static async start(
    args: string,
    env: Record<string, string>,
    { columns = 100, rows = 30 } = {},
  ): Promise<PseudoTerminal> {
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-pty-'));
    return new PseudoTerminal(
      folder,
      `"${process.execPath}" ${programArguments().join(' ')} ${args}`,
      env,
      columns,
      rows,
    );
  }

  /** As `linesOf`. */
  async lines(): Promise<string[]> {
    await Promise.all(this.#written);
    return linesOf(this.#screen);
  }

  /** Waits until the screen shows it. @returns the line. */
  async shows(what: RegExp): Promise<string> {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const line = (await this.lines()).find((one) => what.test(one));
      if (line !== undefined) return line;
      if (performance.now() > deadline)
        throw new Error(`it never showed ${what}, but:\n${(await this.lines()).join('\n')}`);
      await sleep(20);
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(Number(await readFile(join(this.folder, 'pid'), 'utf8')), signal);
  }

  /** Waits for its end. @returns the exit code, and the lines that stay. */
  async end(): Promise<{ code: number | null; lines: string[] }> {
    const code = await this.#ended;
    return { code, lines: await this.lines() };
  }

  /** Ends it, if it has not ended. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null) await this.kill('SIGKILL').catch(() => this.#child.kill('SIGKILL'));
    await this.#ended;
    this.#screen.dispose();
    await rm(this.folder, { recursive: true, force: true });
  }
}
