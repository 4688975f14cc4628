import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { UserError, messageOf } from '../../errors.js';

/** The user that a child process runs as; empty: the user of this process. */
export type Account = { uid?: number; gid?: number };

/** The remedy where the embedded PostgreSQL cannot run. */
export const instead = 'Or use a PostgreSQL of your own: set DATABASE_URL.';

/** All of a child's environment: no AWS keys, no LD_LIBRARY_PATH, no HOME that its user cannot enter. */
export const childEnvironment = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C' };

/** Whether this process runs as root, which PostgreSQL refuses to do. */
export const isRoot = () => process.getuid?.() === 0;

/** Where the database server keeps its files, and the user it runs as. */
export interface Place {
  directory: string;
  account: Account;
  /** A note for the user about the place. */
  note?: string;
}

/**
 * For an ordinary user the server runs as that user, under `home`. For root it runs as the owner of the data directory
 * if there is one, else as `postgres`, else as `nobody`, which exists on every machine. (`initdb` needs a user with a
 * name, and BankPulse adds no users to a machine.) The data directory has mode 0700, and the server asks for a password
 * in any case. If the user cannot reach `home`, the files are in /var/lib/bankpulse.
 */
export function choosePlace(home: string, token: string): Place {
  if (!isRoot()) return { directory: home, account: {} };
  // A home that was removed and made anew has another token, so it does not find its old database.
  const hash = createHash('sha256').update(`${home}\n${token}`).digest('hex').slice(0, 12);
  const outside = join('/var/lib/bankpulse', hash);
  const inUse = [home, outside].find((directory) => existsSync(join(directory, 'postgres')));
  const account = inUse === undefined ? chooseAccount() : ownerOf(join(inUse, 'postgres'));
  if (account.uid === 0)
    throw new UserError(`${inUse}/postgres belongs to root; PostgreSQL does not run as root.`);
  assertMayBecome(account);

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

/** Whether the user may enter the directory. A child process tries it: modes do not show access lists and mounts. */
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
    `PostgreSQL does not run as root, and there is neither a user postgres nor nobody. Run BankPulse as another user. ${instead}`,
  );
}

/** @throws UserError if the kernel refuses this root another user, as in a container without the right to. */
function assertMayBecome(account: Account): void {
  const { error } = spawnSync('/bin/sh', ['-c', ':'], { ...account, cwd: '/', env: childEnvironment });
  if (error === undefined) return;
  throw new UserError(
    `PostgreSQL does not run as root, and this root may not become user ${account.uid} (${messageOf(error)}), as in a ` +
      `container without CAP_SETUID and CAP_SETGID. Run BankPulse as another user. ${instead}`,
  );
}

/** `initdb` looks up the name of the user that it runs as; the server does not. @throws UserError if there is none. */
export function assertHasName({ uid }: Account): void {
  if (uid !== undefined) return; // chosen by its name
  try {
    userInfo();
  } catch {
    throw new UserError(
      `The embedded PostgreSQL can be made only by a user with a name, and user ${process.getuid?.()} has no line in ` +
        `/etc/passwd. Run BankPulse as a user that has one (in a container: --user node, or another of its image). ${instead}`,
    );
  }
}

function ownerOf(path: string): Account {
  const { uid, gid } = statSync(path);
  return { uid, gid };
}
