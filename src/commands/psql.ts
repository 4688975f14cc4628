import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openConnection } from '../database/connection.js';
import { UserError, codeOf, messageOf } from '../errors.js';
import { psqlTls } from './psql-tls.js';
import { withDatabase } from './with-database.js';

/** Variables that psql and the programs started from it do not get: secrets ... */
const SECRETS = [
  'DATABASE_URL',
  'DB_PASSWORD',
  'PGPASSWORD',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
];
/** ... and variables that `pg` ignores, but with which libpq would override the host and database given here. */
const DETOURS = ['PGHOSTADDR', 'PGSERVICE', 'PGSERVICEFILE'];

/** Lines of libpq's password file, for this server alone. libpq looks up a socket in its default folder as localhost. */
function passLines({ host, port, user, password }: pg.Client): string {
  const escaped = (text: string) => text.replace(/[\\:]/g, '\\$&');
  return [host, ...(host.startsWith('/') ? ['localhost'] : [])]
    .map((each) => `${[each, String(port), '*', user ?? '', password ?? ''].map(escaped).join(':')}\n`)
    .join('');
}

/** The search path, as a variable of libpq; poolers refuse it. */
async function optionsOf(config: pg.ClientConfig): Promise<{ PGOPTIONS?: string }> {
  const options = `${config.options ?? process.env.PGOPTIONS ?? ''} -c search_path=bankpulse,public`;
  try {
    await (await openConnection({ ...config, options })).end();
  } catch (error) {
    if (/startup parameter/.test(messageOf(error))) {
      process.stderr.write(
        'this pooler takes no options: in psql, say "set search_path = bankpulse, public"\n',
      );
      return {};
    }
    // psql says itself what is wrong
  }
  return { PGOPTIONS: options };
}

/** `npm run psql [-- ARGS]`: the psql found on PATH, on the configured database. @returns its exit code. */
export async function runPsql(args: readonly string[]): Promise<number> {
  return withDatabase(async (config) => {
    const target = new pg.Client(config);
    let child: ChildProcess | undefined;
    // Ctrl-C is for psql, where it cancels a query; this process must outlive psql, to delete the password file
    process.on('SIGINT', () => undefined);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)
      process.on(signal, () => child?.kill(signal));
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-psql-'));
    try {
      // a file, since other users can see arguments and environment
      const passFile = join(folder, 'pgpass');
      await writeFile(passFile, passLines(target), { mode: 0o600 });
      const environment = { ...process.env };
      for (const name of [...SECRETS, ...DETOURS]) delete environment[name];
      child = spawn('psql', args, {
        stdio: 'inherit',
        env: {
          ...environment,
          PGHOST: target.host,
          PGPORT: String(target.port),
          PGUSER: target.user ?? '',
          PGDATABASE: target.database ?? '',
          ...(process.env.TIME_ZONE ? { PGTZ: process.env.TIME_ZONE } : {}),
          ...(await psqlTls(config.ssl, process.env, folder)),
          ...(target.password ? { PGPASSFILE: passFile } : {}),
          ...(await optionsOf(config)),
        },
      });
      const [code] = (await once(child, 'exit')) as [number | null];
      return code ?? 1;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      throw new UserError(
        'psql was not found on PATH; install the PostgreSQL client (Debian and Ubuntu: apt install postgresql-client, ' +
          'macOS: brew install libpq)',
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
