import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The environment in which libpq does TLS as `pg` does it with the same configuration: `pg` verifies the certificate
 * and the host with every mode but `disable` and `no-verify`, unless asked for libpq's own meaning.
 * @param emptyFolder an existing folder without a `.postgresql` in it.
 */
export function psqlTls(
  connectionString: string | undefined,
  environment: NodeJS.ProcessEnv,
  emptyFolder: string,
): Record<string, string | undefined> {
  const query = new URL(connectionString ?? 'postgres:').searchParams;
  const files = ['sslrootcert', 'sslcert', 'sslkey'];
  const isOn = /^(true|1)$/.test(query.get('ssl') ?? '') || files.some((name) => query.has(name));
  const mode = query.get('sslmode') ?? (isOn ? 'verify-full' : environment.PGSSLMODE);
  if (!mode) return {};

  if (mode === 'no-verify') return { PGSSLMODE: 'require', ...withoutRoots(environment, emptyFolder) };

  const settings: Record<string, string> = {};
  for (const name of files) {
    const file = query.get(name);
    if (file !== null) settings[`PG${name.toUpperCase()}`] = file;
  }
  const roots = settings.PGSSLROOTCERT ?? (environment.PGSSLROOTCERT || environment.NODE_EXTRA_CA_CERTS);
  if (roots) settings.PGSSLROOTCERT = roots;
  const isPlain = mode === 'disable' || query.get('uselibpqcompat') === 'true';
  settings.PGSSLMODE = isPlain ? mode : 'verify-full';
  return settings;
}

/**
 * With `require`, libpq verifies the certificate all the same if it finds a file of roots: one that PGSSLROOTCERT names,
 * or `~/.postgresql/root.crt`. Newer versions fail where the named file is missing, so the variable is taken away; and
 * no setting turns the default file off, so where there is one, psql gets another home, and the files it would read
 * from its own by their names.
 */
function withoutRoots(
  environment: NodeJS.ProcessEnv,
  emptyFolder: string,
): Record<string, string | undefined> {
  const home = environment.HOME || homedir();
  const noFile = { PGSSLROOTCERT: undefined };
  if (!existsSync(join(home, '.postgresql', 'root.crt'))) return noFile;
  const own = { PSQLRC: '.psqlrc', PSQL_HISTORY: '.psql_history', PGPASSFILE: '.pgpass' };
  const named = Object.entries(own).map(([name, file]) => [name, environment[name] || join(home, file)]);
  return { ...noFile, HOME: emptyFolder, ...(Object.fromEntries(named) as Record<string, string>) };
}
