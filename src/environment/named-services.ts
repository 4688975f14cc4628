import { isOfAnother, likelyName } from './likely-names.js';

/**
 * Which services the environment names. An embedded server is used only if no variable, not even a misspelt one, names
 * such a service: beside a real database, a real bucket would get the detections of an empty one.
 */

/** libpq's variables that `pg` follows, too. */
const LIBPQ_FOLLOWED = ['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGPASSWORD', 'PGPASSFILE'];
/** Those that would choose another server, or another way to trust it, and that `pg` does not follow. */
const LIBPQ_REFUSED = [
  'PGSERVICE',
  'PGSERVICEFILE',
  'PGHOSTADDR',
  'PGTARGETSESSIONATTRS',
  'PGLOADBALANCEHOSTS',
  'PGREQUIREAUTH',
  'PGREQUIREPEER',
  'PGREQUIRESSL',
  'PGSSLCERT',
  'PGSSLKEY',
  'PGSSLROOTCERT',
  'PGSSLCRL',
];
/** Those of libpq that name no server. */
const LIBPQ_OTHERS = ['PGSSLMODE', 'PGOPTIONS', 'PGAPPNAME', 'PGCONNECT_TIMEOUT'];
const DATABASE_NAMES = ['DATABASE_URL', 'DB_HOST', 'DB_PORT', 'DB_NAME', 'DB_USER', 'DB_PASSWORD'];
const STORE_NAMES = ['S3_BUCKET', 'S3_FORCE_PATH_STYLE', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'];

/** What libraries read, besides the settings of BankPulse: a name like one of them is probably misspelt. */
export const LIBRARY_NAMES = [
  ...LIBPQ_FOLLOWED,
  ...LIBPQ_REFUSED,
  ...LIBPQ_OTHERS,
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_PROFILE',
  'AWS_REQUEST_CHECKSUM_CALCULATION',
  'AWS_RESPONSE_CHECKSUM_VALIDATION',
];

type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that are set and belong to a service, under their own or a misspelt name. */
function namesThatMean(environment: Environment, family: RegExp, names: readonly string[]): string[] {
  const known = [...DATABASE_NAMES, ...STORE_NAMES, ...LIBRARY_NAMES];
  return Object.keys(environment).filter((name) => {
    if (!environment[name] || isOfAnother(name, environment[name])) return false;
    if (names.includes(name) || family.test(name)) return true;
    const likely = known.includes(name) ? undefined : likelyName(name, known);
    return likely !== undefined && names.includes(likely);
  });
}

export const namesOfDatabase = (environment: Environment) =>
  namesThatMean(environment, /^DB_/, [...DATABASE_NAMES, ...LIBPQ_FOLLOWED, ...LIBPQ_REFUSED]);

export const namesOfStore = (environment: Environment) =>
  namesThatMean(environment, /^(S3_|AWS_ENDPOINT_URL)/, STORE_NAMES);

const list = (names: readonly string[]) => names.join(', ');
const verb = (names: readonly string[], one: string, several: string) => (names.length === 1 ? one : several);

/** Why these variables do not say which database is meant; empty if they do, or if none is set. */
export function faultsOfDatabase(environment: Environment): string[] {
  if (environment.DATABASE_URL || environment.DB_HOST) return [];
  const names = namesOfDatabase(environment);
  const refused = names.filter((name) => LIBPQ_REFUSED.includes(name));
  if (refused.length > 0) {
    const fault = `${list(refused)} ${verb(refused, 'is', 'are')} not supported`;
    return [`${fault}: set DATABASE_URL, or DB_HOST and the other DB_ variables`];
  }
  if (names.length === 0 || environment.PGHOST) return [];
  return [
    `${list(names)} ${verb(names, 'is', 'are')} set, but not which server: set DB_HOST, PGHOST or DATABASE_URL; ` +
      'the embedded PostgreSQL is used only if no variable names a database',
  ];
}

/** Why these variables do not say which bucket is meant; empty if they do, or if none is set. */
export function faultsOfStore(environment: Environment): string[] {
  if (environment.S3_BUCKET) return [];
  const names = namesOfStore(environment);
  if (names.length === 0) return [];
  return [
    `${list(names)} ${verb(names, 'is', 'are')} set, but not which bucket: set S3_BUCKET; ` +
      'the embedded S3 server is used only if no variable names a store',
  ];
}

/** libpq's variables that are set, and that `pg` does not follow; without another name of a server they are refused. */
export const unfollowedNames = (environment: Environment) =>
  environment.DATABASE_URL || environment.DB_HOST ? LIBPQ_REFUSED.filter((name) => environment[name]) : [];

/** The variables of a database that lose against DATABASE_URL, which may come from a file. */
export const namesBesideUrl = (environment: Environment) =>
  environment.DATABASE_URL
    ? DATABASE_NAMES.filter(
        (name) => name !== 'DATABASE_URL' && environment[name] && !isOfAnother(name, environment[name]),
      )
    : [];
