import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../errors.js';

/** The user a child process runs as; empty: the same as ours. */
export type Account = { uid?: number; gid?: number };

/** Children get this and nothing of ours: no AWS keys, no LD_LIBRARY_PATH, no HOME they may not enter. */
export const childEnvironment = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' };

/** Whether we are root, as whom PostgreSQL refuses to run. */
export const isRoot = () => process.getuid?.() === 0;

/** Where the database server keeps its files, and as whom it runs. */
export interface Place {
  directory: string;
  account: Account;
  /** What the user should know about it. */
  note?: string;
}

/**
 * An ordinary user runs the server himself, under `home`. Root hands it to another user: to whom the data already
 * belongs, else `postgres`, made for this, else `nobody`, who exists everywhere. A user of its own would be better
 * than `nobody`, but adding users to somebody's machine is not for us to do, and `initdb` wants one with a name.
 * The data directory is 0700 and asks for a password in any case. Where that user cannot reach `home`, the files
 * lie in /var/lib/bankpulse.
 */
export function choosePlace(home: string, token: string): Place {
  if (!isRoot()) return { directory: home, account: {} };
  // The token changes with a new home: a home that was removed and made anew must not find its old database.
  const hash = createHash('sha256').update(`${home}\n${token}`).digest('hex').slice(0, 12);
  const outside = join('/var/lib/bankpulse', hash);
  const inUse = [home, outside].find((directory) => existsSync(join(directory, 'postgres')));
  const account = inUse === undefined ? chooseAccount() : ownerOf(join(inUse, 'postgres'));
  if (account.uid === 0)
    throw new UserError(`${inUse}/postgres belongs to root; PostgreSQL does not run as root.`);

  if (inUse === home && !canEnter(account, home))
    throw new UserError(
      `${home}, or a folder above it, was closed to the user its PostgreSQL runs as (uid ${account.uid}). ` +
        'Open it again (chmod o+x), or begin elsewhere with BANKPULSE_HOME.',
    );

  const directory = inUse ?? (canEnter(account, home) ? home : outside);
  if (directory === home) return { directory, account };
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const note = `${home} is closed to the user the embedded PostgreSQL runs as: its data is in ${directory}`;
  return { directory, account, note };
}

/** Whether that user may enter the directory. Asked of the kernel, which knows of lists and mounts that modes hide. */
export function canEnter(account: Account, directory: string): boolean {
  const options = { ...account, cwd: '/', env: childEnvironment };
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', directory], options).status === 0;
}

function chooseAccount(): Account {
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((what) => {
      const result = spawnSync('id', [what, name], { env: childEnvironment, encoding: 'utf8' });
      return result.status === 0 ? Number(result.stdout) : undefined;
    });
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new UserError(
    'PostgreSQL does not run as root, and there is neither a user postgres nor nobody. Run BankPulse as another user.',
  );
}

function ownerOf(path: string): Account {
  const { uid, gid } = statSync(path);
  return { uid, gid };
}
