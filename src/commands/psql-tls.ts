import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';

/**
 * The variables with which libpq uses TLS as `pg` does with the same settings: it verifies certificate and host unless
 * they say otherwise.
 * @param ssl as `pg` has it; undefined: PGSSLMODE decides.
 * @param folder an existing folder without a `.postgresql` in it; gets the certificates, in files.
 */
export async function psqlTls(
  ssl: boolean | ConnectionOptions | undefined,
  environment: NodeJS.ProcessEnv,
  folder: string,
): Promise<Record<string, string | undefined>> {
  if (ssl === false) return { PGSSLMODE: 'disable' };
  const mode = environment.PGSSLMODE;
  if (ssl === undefined && (!mode || mode === 'disable')) return mode ? { PGSSLMODE: mode } : {};
  const options =
    typeof ssl === 'object' ? ssl : { rejectUnauthorized: ssl === true || mode !== 'no-verify' };
  const settings: Record<string, string> = {};
  for (const [name, content] of Object.entries({ ca: options.ca, cert: options.cert, key: options.key })) {
    if (typeof content !== 'string') continue;
    const file = join(folder, name);
    await writeFile(file, content, { mode: 0o600 });
    settings[{ ca: 'PGSSLROOTCERT', cert: 'PGSSLCERT', key: 'PGSSLKEY' }[name]!] = file;
  }
  if (options.rejectUnauthorized === false)
    return { ...settings, PGSSLMODE: 'require', ...withoutRoots(environment, folder) };

  const roots = settings.PGSSLROOTCERT ?? (environment.PGSSLROOTCERT || environment.NODE_EXTRA_CA_CERTS);
  if (roots) settings.PGSSLROOTCERT = roots;
  settings.PGSSLMODE = options.checkServerIdentity ? 'verify-ca' : 'verify-full';
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
