import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';

/**
 * As in package.json's scripts. Without a bound Node lets garbage grow to four times what is alive before it looks: Y
 * would take up to 260 MB for some 30 MB of heap. It never comes near the bound itself.
 */
const NODE_OPTIONS = ['--max-old-space-size=512', '--max-semi-space-size=4', '--import', 'tsx'];

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
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
      stderr: this.stderr,
    }));
  }

  /** @param cwd the project's folder, or that of a copy. */
  static start(args: readonly string[], env: Record<string, string> = {}, cwd = projectDir): Command {
    return Command.#spawn(process.execPath, [...NODE_OPTIONS, 'src/cli.ts', ...args], env, { cwd });
  }

  /** As users do, with npm in front of it, which is what gets the signals. A process group of their own. */
  static startByNpm(name: string, env: Record<string, string> & { npm_config_cache: string }): Command {
    return Command.#spawn('npm', ['run', '--silent', name], env, { isGroup: true });
  }

  /** With this environment and next to nothing else: neither a developer's `.env` nor their AWS profile is seen. */
  static #spawn(
    file: string,
    args: readonly string[],
    env: Record<string, string>,
    { isGroup = false, cwd = projectDir }: { isGroup?: boolean; cwd?: string } = {},
  ): Command {
    const child = spawn(file, args, {
      cwd,
      detached: isGroup,
      env: {
        PATH: process.env.PATH,
        HOME: '/nonexistent',
        NODE_ENV: 'test',
        LOG_LEVEL: 'info',
        // several run at once, and one port is all there is
        DASHBOARD_PORT: '0',
        AWS_EC2_METADATA_DISABLED: 'true',
        ...env,
      },
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

/** Runs a command to its end. */
export function run(args: readonly string[], env?: Record<string, string>): Promise<Ended> {
  return Command.start(args, env).ended;
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
