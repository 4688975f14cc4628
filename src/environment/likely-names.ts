import leven from 'leven';

/** First words that only BankPulse's own names have: `CHUNK_SIZE` is meant for it, whatever it is meant to do. */
const OWN_FIRST_WORDS =
  /^(S3|DB|DATABASE|CHUNKS?|BATCH|FLUSH|POLL|GAP|PREFETCH|DETECTIONS?|TRANSACTIONS?|IMPORTANCE|BANKPULSE|DASHBOARD|METRICS)$/;
/** The same things, by the names that other projects give them. */
const SYNONYMS: Record<string, string> = {
  DATABASE: 'DB',
  USERNAME: 'USER',
  PASS: 'PASSWORD',
  HOSTNAME: 'HOST',
};
const OTHER_NAMES: readonly [names: RegExp, meant: string][] = [
  [/^(POSTGRES|POSTGRESQL|PG|DB)_UR[IL]$/, 'DATABASE_URL'],
  [/^POSTGRES(QL)?_(HOST|SERVER)$/, 'DB_HOST'],
  [/^(S3|MINIO|AWS)_(ACCESS_KEY(_ID)?|KEY(_ID)?|ROOT_USER)$/, 'AWS_ACCESS_KEY_ID'],
  [/^(S3|MINIO|AWS)_(SECRET(_ACCESS)?(_KEY)?|ROOT_PASSWORD)$/, 'AWS_SECRET_ACCESS_KEY'],
  [/^(S3|MINIO|AWS)_(DEFAULT_)?REGION$/, 'AWS_REGION'],
  [/^(S3|MINIO|AWS|AWS_S3|S3_AWS)_(ENDPOINT|HOST|SERVER|URL)(_UR[IL])?$/, 'AWS_ENDPOINT_URL_S3'],
  [/^(MINIO_|AWS_|AWS_S3_)?BUCKET(_NAME)?$/, 'S3_BUCKET'],
];
/** What Kubernetes sets for a service named `db` or `bankpulse`; endpoints of other services; what the tests set. */
const NOT_MEANT_FOR_US = /_SERVICE_(HOST|PORT)|_PORT_\d+_|^AWS_ENDPOINT_URL_(?!S3)|^BANKPULSE_TEST_/;

/**
 * Whether the variable has nothing to do with BankPulse, whatever it is called. For a service named `db` Kubernetes and
 * Docker set `DB_SERVICE_HOST`, and `DB_PORT=tcp://10.0.0.1:5432`.
 */
export const isOfAnother = (name: string, value: string | undefined) =>
  NOT_MEANT_FOR_US.test(name) || (name.endsWith('_PORT') && /^(tcp|udp):\/\//.test(value ?? ''));
const SHORT = 6;

/** Kept, since each name of the environment is compared with each known one. */
const wordsByName = new Map<string, string[]>();
function wordsOf(name: string): string[] {
  const words =
    wordsByName.get(name) ??
    name
      .toUpperCase()
      .split(/[^A-Z\d]+/)
      .map((word) => SYNONYMS[word] ?? word);
  wordsByName.set(name, words);
  return words;
}
const squeezed = (name: string) => wordsOf(name).join('');

/** The nearest first. With a bound, which those that are farther get as their distance, most comparisons end early. */
function byDistance(
  name: string,
  candidates: readonly string[],
  maxDistance = Infinity,
): { candidate: string; distance: number }[] {
  const meant = squeezed(name);
  return candidates
    .map((candidate) => ({ candidate, distance: leven(meant, squeezed(candidate), { maxDistance }) }))
    .sort((one, other) => one.distance - other.distance);
}

/** The known name that was probably meant by this one, which is not known; undefined if it has to do with none. */
export function likelyName(name: string, known: readonly string[]): string | undefined {
  const other = OTHER_NAMES.find(([names]) => names.test(name.toUpperCase()))?.[1];
  if (other !== undefined && known.includes(other)) return other;
  const most = squeezed(name).length <= SHORT ? 1 : 2;
  const [nearest] = byDistance(name, known, most + 1);
  if (nearest && nearest.distance <= most) return nearest.candidate;

  const words = wordsOf(name);
  if (words.length < 2) return undefined;
  const [first] = words;
  const holdsAll = (all: string[], some: string[]) => some.every((word) => all.includes(word));
  const isRelated = (candidate: string) => {
    const others = wordsOf(candidate);
    return holdsAll(others, words) || (first === others[0] && others.length > 1 && holdsAll(words, others));
  };
  const isOfFamily = (candidate: string) => OWN_FIRST_WORDS.test(first!) && wordsOf(candidate)[0] === first;
  const related = known.filter(isRelated);
  const [found] = byDistance(name, related.length > 0 ? related : known.filter(isOfFamily));
  return found?.candidate;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Names that are set, unknown, and probably meant for a known one. */
export function misspeltNames(
  environment: Environment,
  known: readonly string[],
): { name: string; likely: string }[] {
  return Object.keys(environment)
    .filter((name) => environment[name] && !known.includes(name) && !isOfAnother(name, environment[name]))
    .map((name) => ({ name, likely: likelyName(name, known) }))
    .filter((found): found is { name: string; likely: string } => found.likely !== undefined);
}
