import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The variables with which libpq uses TLS as `pg` does with the same configuration: `pg` verifies certificate and host
 * in every mode but `disable` and `no-verify`, unless `uselibpqcompat` asks for libpq's meaning of the modes.
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
 * Even with `require`, libpq verifies the certificate if it finds a file of root certificates: the one that
 * PGSSLROOTCERT names, or `~/.postgresql/root.crt`. Newer versions fail if the named file is missing, so the variable is
 * removed. No setting turns the default file off; where it exists, psql gets another home, and variables that name the
 * files it would read from its own home.
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
