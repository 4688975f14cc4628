/**
 * What libpq needs in its environment to do TLS as `pg` does it with the same configuration: `pg` verifies the
 * certificate and the host with every mode but `disable` and `no-verify`, unless asked for libpq's own meaning.
 */
export function psqlTls(
  connectionString: string | undefined,
  environment: NodeJS.ProcessEnv,
): Record<string, string> {
  const query = new URL(connectionString ?? 'postgres:').searchParams;
  const files = ['sslrootcert', 'sslcert', 'sslkey'];
  const isOn = /^(true|1)$/.test(query.get('ssl') ?? '') || files.some((name) => query.has(name));
  const mode = query.get('sslmode') ?? (isOn ? 'verify-full' : environment.PGSSLMODE);
  if (!mode) return {};

  const settings: Record<string, string> = {};
  for (const name of files) {
    const file = query.get(name);
    if (file !== null) settings[`PG${name.toUpperCase()}`] = file;
  }
  const roots = settings.PGSSLROOTCERT ?? (environment.PGSSLROOTCERT || environment.NODE_EXTRA_CA_CERTS);
  if (roots) settings.PGSSLROOTCERT = roots;
  const isPlain = mode === 'disable' || query.get('uselibpqcompat') === 'true';
  settings.PGSSLMODE = isPlain ? mode : mode === 'no-verify' ? 'require' : 'verify-full';
  // with a file, libpq would verify by it even then
  if (mode === 'no-verify') settings.PGSSLROOTCERT = '/nonexistent';
  return settings;
}
