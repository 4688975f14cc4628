import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';
import { asOnTerminal } from '../support/process.js';

describe('what is wrong before the first line of a command', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The project in a folder of this name; `packages` tells which of them are installed there. */
  async function copyOf(name: string, packages: (name: string) => boolean): Promise<string> {
    const copy = join(folder, name);
    for (const part of ['package.json', 'src'])
      await cp(join(projectDir, part), join(copy, part), { recursive: true });
    const [from, to] = [projectDir, copy].map((project) => join(project, 'node_modules')) as [string, string];
    await mkdir(to);
    for (const each of await readdir(from))
      if (packages(each)) await symlink(join(from, each), join(to, each));
    return copy;
  }

  const generate = ['generate', '--rows', '1', '--out', '.'];

  /** Runs a command of this copy as package.json's scripts do. @returns its exit code and what it says on stderr. */
  async function run(
    project: string,
    {
      args = generate,
      node = [],
      env = {},
    }: { args?: string[]; node?: string[]; env?: NodeJS.ProcessEnv } = {},
  ): Promise<{ code: unknown; stderr: string }> {
    const child = spawn(
      process.execPath,
      [...node, join(project, 'src/run.cjs'), join(project, 'src/cli.ts'), ...args],
      {
        cwd: folder,
        timeout: 30_000,
        // without HOME, too
        env: { PATH: process.env.PATH, NODE_ENV: 'test', TMPDIR: folder, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [unknown];
    return { code, stderr: asOnTerminal(stderr) };
  }

  const works = { code: 0, stderr: '' };

  it('is not the path, whatever is in it, but for ? and \\', async () => {
    expect(await run(await copyOf(`#1 %20%zz 'ü"[b]&$HOME`, () => true))).to.deep.equal(works);
    for (const character of ['?', '\\']) {
      const { code, stderr } = await run(await copyOf(`a${character}b`, () => false));
      expect(code).to.equal(1);
      expect(stderr).to.match(
        /^error: Node cannot run this from a path with a .* in it: move the project, .*\n$/,
      );
    }
  });

  it('is no temporary folder in which nothing can be made', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    for (const TMPDIR of [file, '/proc'])
      expect(await run(projectDir, { env: { TMPDIR } }), TMPDIR).to.deep.equal(works);
  });

  it('may be a Node that is too old, which is said', async () => {
    const older = join(folder, 'older.cjs');
    await writeFile(older, `Object.defineProperty(process.versions, 'node', { value: '20.18.3' })`);
    expect(await run(projectDir, { node: ['--require', older] })).to.deep.equal({
      code: 1,
      stderr: 'error: this is Node 20.18.3, BankPulse needs >=20.19: install a newer one from nodejs.org\n',
    });
  });

  it('may be a package that is not installed, which is said, also one that only this command needs', async () => {
    const remedy = /^error: a package cannot be loaded \(.*'(tsx|pg)'.*\): run "npm ci" in .*\n$/;
    for (const missing of ['tsx', 'pg']) {
      const { code, stderr } = await run(await copyOf(missing, (name) => name !== missing), {
        args: ['status'],
      });
      expect({ code, stderr: stderr.replace(remedy, '$1') }).to.deep.equal({ code: 1, stderr: missing });
    }
  });

  it('may be a translator for another machine, which is said', async () => {
    const copy = await copyOf('other', (name) => !/^(@?esbuild|tsx)$/.test(name));
    for (const name of ['tsx', 'esbuild'])
      await cp(join(projectDir, 'node_modules', name), join(copy, 'node_modules', name), { recursive: true });
    const { code, stderr } = await run(copy, { env: { TSX_DISABLE_CACHE: '1' } });
    expect(stderr).to.match(/^error: a package cannot be loaded \(.*@esbuild.*\): run "npm ci" in .*\n$/);
    expect(code).to.equal(1);
  });
});
