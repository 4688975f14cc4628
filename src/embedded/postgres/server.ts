import { randomUUID } from 'node:crypto';
import { type ChildProcess } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { UserError, hasSqlState, messageOf } from '../../errors.js';
import { assertHasName, choosePlace, instead, type Account, type Place } from './account.js';
import { usableBinaries } from './binaries.js';
import { commandLine, ended, spawnBound, stopServer } from './processes.js';
import { assertPortFree } from '../ports.js';
import { settings } from './settings.js';
import { type EmbeddedState } from '../state.js';

const LOG_LIMIT = 10 * 1024 * 1024;

export interface RunningPostgres {
  /** Notes for the user: where data and programs are, if not in their usual places. */
  notes: string[];
  /** Resolves when the server has ended, by itself or by `stop`. */
  ended: Promise<number | string>;
  stop(): Promise<void>;
}

/** Starts the PostgreSQL of this home, after creating it on first use, and waits until it accepts connections. */
export async function startPostgres(home: string, state: EmbeddedState): Promise<RunningPostgres> {
  const place = choosePlace(home, state.token);
  const { bin, note } = await usableBinaries(place);
  const data = join(place.directory, 'postgres');
  const log = join(home, 'postgres.log');
  if (existsSync(log) && statSync(log).size > LOG_LIMIT) renameSync(log, `${log}.1`);

  removeUnfinished(place.directory);
  if (!existsSync(data)) await initialize(bin, place, state.databasePassword, log);
  await stopLeftover(data);
  await assertPortFree(home, 'postgresPort', state.postgresPort);

  const args = ['-D', data, '-c', `port=${state.postgresPort}`];
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`);
  const server = await launch(join(bin, 'postgres'), args, place.account, log, state);
  return {
    notes: [place.note, note].filter((each) => each !== undefined),
    ended: ended(server),
    stop: () => stopServer(server.pid ?? 0, () => server.exitCode === null && server.signalCode === null),
  };
}

/** Removes the remains of an `initdb` that was killed. */
function removeUnfinished(directory: string): void {
  for (const name of readdirSync(directory).filter((name) => name.startsWith('initdb-'))) {
    rmSync(join(directory, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Makes the data directory aside and renames it, so that it is complete or absent. */
async function initialize(bin: string, place: Place, password: string, log: string): Promise<void> {
  assertHasName(place.account);
  const { uid = -1, gid = -1 } = place.account;
  const workshop = join(place.directory, `initdb-${randomUUID()}`);
  const passwordFile = join(workshop, 'password');
  const output = openSync(log, 'a', 0o600);
  try {
    mkdirSync(workshop, { mode: 0o700 });
    chownSync(workshop, uid, gid);
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' });
    chownSync(passwordFile, uid, gid);
    const args = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--username=bankpulse'];
    args.push(`--pwfile=${passwordFile}`, '-D', join(workshop, 'data'));
    const stdio = ['ignore', output, output] as const;
    const child = spawnBound(join(bin, 'initdb'), args, {
      ...place.account,
      cwd: workshop,
      stdio: [...stdio],
    });
    const result = await ended(child);
    if (result !== 0)
      throw new UserError(
        `Cannot create the embedded database (${result}): ${lastLines(log)}. Set BANKPULSE_HOME to a folder on another disk. ${instead}`,
      );
    renameSync(join(workshop, 'data'), join(place.directory, 'postgres'));
  } finally {
    closeSync(output);
    rmSync(workshop, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Stops a server that a killed supervisor has left in the data directory. If another program has the process number in
 * postmaster.pid by now, PostgreSQL would take that program for a running server and not start. With the number of
 * this process in the file, its parent's, PostgreSQL goes on, and still checks the shared memory for old backends.
 */
async function stopLeftover(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const [first = '', ...rest] = readFileSync(file, 'utf8').split('\n');
  const pid = Number(first);
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  const isOurs = () => {
    const words = commandLine(pid);
    return words.includes(data) && words[0]?.endsWith('/postgres') === true;
  };
  await stopServer(pid, isOurs);
  if (isOurs())
    throw new UserError(`Another PostgreSQL (process ${pid}) uses ${data} and does not stop. End it.`);
  if (existsSync(file)) writeFileSync(file, [process.pid, ...rest].join('\n'));
}

/** Starts the server and waits until it accepts connections. It tries again while backends of a killed server end. */
async function launch(
  program: string,
  args: string[],
  account: Account,
  log: string,
  state: EmbeddedState,
): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt++) {
    const output = openSync(log, 'a', 0o600);
    const server = spawnBound(program, args, { ...account, cwd: '/', stdio: ['ignore', output, output] });
    closeSync(output);
    const end = ended(server);
    if (await Promise.race([untilReady(state, server), end.then(() => false)])) return server;
    const words = lastLines(log);
    if (attempt < 20 && /shared memory block .* is still in use/.test(words)) await sleep(500);
    else throw new UserError(`The embedded PostgreSQL ended (${await end}). Its log, ${log}, says: ${words}`);
  }
}

/** True once the database is there, after any time of recovery; false when the server has ended. */
async function untilReady(state: EmbeddedState, server: ChildProcess): Promise<boolean> {
  while (server.exitCode === null && server.signalCode === null) {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: state.postgresPort,
      user: 'bankpulse',
      password: state.databasePassword,
      database: 'template1',
      connectionTimeoutMillis: 10_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query("select from pg_database where datname = 'bankpulse'");
      if (rowCount === 0) await client.query("create database bankpulse template template0 encoding 'UTF8'");
      return true;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (hasSqlState(error, 'invalidPassword')) {
        server.kill('SIGINT');
        throw new UserError(
          'The embedded database refuses the password in embedded.json. It was made with another ' +
            'embedded.json: restore that file, or remove the data directory to begin anew.',
        );
      }
      // 57P03: the server is still starting. Any other error that does not pass with time is reported.
      if (!/^(ECONNREFUSED|ECONNRESET|57P0\d|)$/.test(code)) {
        server.kill('SIGINT');
        throw new UserError(`Cannot connect to the embedded PostgreSQL: ${messageOf(error)}`);
      }
      await sleep(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  return false;
}

function lastLines(log: string): string {
  return readFileSync(log, 'utf8').trim().split('\n').slice(-4).join(' | ');
}
