import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { UserError, codeOf } from '../errors.js';
import { psqlTls } from './psql-tls.js';
import { withDatabase } from './with-database.js';

/** Not for psql, nor for what is run from there. */
const SECRETS = [
  'DATABASE_URL',
  'DB_PASSWORD',
  'PGPASSWORD',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
];

/** `npm run psql [-- ARGS]`: the psql found on PATH, on the configured database. @returns its exit code. */
export async function runPsql(args: readonly string[]): Promise<number> {
  return withDatabase(async (config) => {
    const { host, port, user, password, database } = new pg.Client(config);
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-psql-'));
    try {
      // a file, since arguments and environment can be seen by others
      const passFile = join(folder, 'pgpass');
      const escaped = (text: string) => text.replace(/[\\:]/g, '\\$&');
      await writeFile(passFile, `*:*:*:*:${escaped(typeof password === 'string' ? password : '')}\n`, {
        mode: 0o600,
      });
      const environment = { ...process.env };
      for (const secret of SECRETS) delete environment[secret];
      const child = spawn('psql', args, {
        stdio: 'inherit',
        env: {
          ...environment,
          PGHOST: host,
          PGPORT: String(port),
          PGUSER: user ?? '',
          PGDATABASE: database ?? '',
          ...(password ? { PGPASSFILE: passFile } : {}),
          ...psqlTls(config.connectionString, process.env),
          PGOPTIONS: `${process.env.PGOPTIONS ?? ''} -c search_path=bankpulse,public`,
        },
      });
      // Ctrl-C is psql's: it ends a query there; and we must outlive it, to delete the file
      process.on('SIGINT', () => undefined);
      process.on('SIGTERM', () => child.kill('SIGTERM'));
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
