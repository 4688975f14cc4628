import leven from 'leven';

/** First words that only BankPulse's own names have: `CHUNK_SIZE` is meant for it, whatever it is meant to do. */
const OWN_FIRST_WORDS =
  /^(S3|DB|DATABASE|CHUNKS?|BATCH|FLUSH|POLL|GAP|PREFETCH|DETECTIONS?|TRANSACTIONS?|IMPORTANCE|BANKPULSE|DASHBOARD)$/;
/** The same things, by the names that other projects give them. */
const SYNONYMS: Record<string, string> = {
  DATABASE: 'DB',
  USERNAME: 'USER',
  PASS: 'PASSWORD',
  HOSTNAME: 'HOST',
};
/** What Kubernetes sets for a service named `db` or `bankpulse`, and what the tests of this project set. */
const NOT_MEANT_FOR_US = /_SERVICE_(HOST|PORT)|_PORT_\d+_|^BANKPULSE_TEST_|^AWS_ENDPOINT_URL_/;
const SHORT = 5;

const wordsOf = (name: string) =>
  name
    .toUpperCase()
    .split(/[^A-Z\d]+/)
    .map((word) => SYNONYMS[word] ?? word);
const squeezed = (name: string) => wordsOf(name).join('');

/** The known name that was probably meant by this one, which is not known; undefined if it has to do with none. */
export function likelyName(name: string, known: readonly string[]): string | undefined {
  if (NOT_MEANT_FOR_US.test(name)) return undefined;
  const distances = known
    .map((candidate) => ({ candidate, distance: leven(squeezed(name), squeezed(candidate)) }))
    .sort((one, other) => one.distance - other.distance);
  const [nearest] = distances;
  if (nearest && nearest.distance <= (squeezed(name).length <= SHORT ? 1 : 2)) return nearest.candidate;

  const words = wordsOf(name);
  if (words.length < 2) return undefined;
  const [first] = words;
  const holdsAll = (all: string[], some: string[]) => some.every((word) => all.includes(word));
  const isRelated = (candidate: string) => {
    const others = wordsOf(candidate);
    return holdsAll(others, words) || (first === others[0] && others.length > 1 && holdsAll(words, others));
  };
  const isOfFamily = (candidate: string) => OWN_FIRST_WORDS.test(first!) && wordsOf(candidate)[0] === first;
  const found =
    distances.find(({ candidate }) => isRelated(candidate)) ??
    distances.find(({ candidate }) => isOfFamily(candidate));
  return found?.candidate;
}

/** Names that are set, unknown, and probably meant for a known one. */
export function misspeltNames(
  environment: NodeJS.ProcessEnv,
  known: readonly string[],
): { name: string; likely: string }[] {
  return Object.keys(environment)
    .filter((name) => environment[name] && !known.includes(name))
    .map((name) => ({ name, likely: likelyName(name, known) }))
    .filter((found): found is { name: string; likely: string } => found.likely !== undefined);
}
