import { chownSync, existsSync, openSync, closeSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended, spawnBound } from '../../src/embedded/postgres/processes.js';
import { choosePort } from '../../src/embedded/state.js';
import { connect } from '../../src/database/connection.js';
import { SUPERUSER_PASSWORD, type OwnPostgres } from './own-postgres.js';

/** Debian puts it where only root looks. */
const PLACES = [...(process.env.PATH ?? '').split(':'), '/usr/sbin'];
const program = PLACES.map((place) => join(place, 'pgbouncer')).find((file) => existsSync(file));

export const hasPgBouncer = program !== undefined;

export interface PgBouncer {
  /** Of the superuser. */
  url(database: string): string;
  stop(): Promise<void>;
}

/** A PgBouncer in front of a server, with this pool for each database and role. */
export async function startPgBouncer(
  postgres: OwnPostgres,
  pool: { mode: 'session' | 'transaction' | 'statement'; size: number },
): Promise<PgBouncer> {
  const { account } = postgres;
  const folder = await mkdtemp(join(postgres.folder, 'pgbouncer-'));
  const port = await choosePort();
  const settings = `
    [databases]
    * = host=127.0.0.1 port=${postgres.port}
    [pgbouncer]
    listen_addr = 127.0.0.1
    listen_port = ${port}
    unix_socket_dir =
    auth_type = scram-sha-256
    auth_file = ${folder}/users
    pool_mode = ${pool.mode}
    default_pool_size = ${pool.size}
  `;
  await writeFile(join(folder, 'settings'), settings.replaceAll(/^ +/gm, ''));
  await writeFile(join(folder, 'users'), `"postgres" "${SUPERUSER_PASSWORD}"\n`);
  for (const file of ['', 'settings', 'users'])
    chownSync(join(folder, file), account.uid ?? -1, account.gid ?? -1);

  const output = openSync(join(folder, 'log'), 'a', 0o600);
  const stdio = ['ignore', output, output] as ['ignore', number, number];
  const child = spawnBound(program!, [join(folder, 'settings')], { ...account, cwd: folder, stdio });
  closeSync(output);
  const url = (database: string) =>
    `postgres://postgres:${encodeURIComponent(SUPERUSER_PASSWORD)}@127.0.0.1:${port}/${database}`;
  for (let isReady = false; !isReady;) {
    if (child.exitCode !== null)
      throw new Error(`PgBouncer ended: ${await readFile(join(folder, 'log'), 'utf8')}`);
    isReady = await connect({ connectionString: url('postgres') }).then(
      (client) => client.end().then(() => true),
      () => sleep(50, false),
    );
  }
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await ended(child);
    },
  };
}
