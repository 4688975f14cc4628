/** An error that the user can act on: printed as one line, without a stack trace; the process ends with 1. */
export class UserError extends Error {
  override name = 'UserError';
}

/** Wrong usage or configuration, every problem named at once; the process ends with 2. */
export class UsageError extends Error {
  override name = 'UsageError';

  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** For a message. */
function nameOfDelimiter(delimiter: string): string {
  if (delimiter === '\t') return 'tabs';
  if (delimiter === ' ') return 'spaces';
  return delimiter === '\x01' ? 'the character U+0001' : `'${delimiter}'`;
}

/**
 * Every reason to quarantine an object, then every reason to reject a row before its values are looked at: a kind and its
 * sentence. Reasons about the values of a row stand in sql/02_staging/accept_staged_records.sql.
 */
const CONTENT_REASONS = {
  // an object as a whole
  empty: () => 'the object is empty',
  tooLarge: (mostBytes: number) => `the object is larger than ${mostBytes} bytes (MAX_CHUNK_BYTES)`,
  brokenGzip: (why: string) => `the gzip data is broken: ${why}`,
  numberTaken: (number: bigint) =>
    `another object with number ${number} was applied before, and each number is applied once (names without a running number need CHUNK_ORDER=name, a new database and a new DETECTIONS_PREFIX)`,
  // PostgreSQL's own message may quote the row, and the log must not
  refusedByDatabase: (sqlState: string) => `PostgreSQL refuses its data (SQLSTATE ${sqlState})`,
  headerNotUtf8: () => 'the header is not UTF-8',
  headerColumns: (faults: { name: string; isMissing: boolean }[], hasNul: boolean) =>
    `the header has ${faults
      .map(({ name, isMissing }) => (isMissing ? `no column "${name}"` : `column "${name}" twice`))
      .join(', ')}${hasNul ? ' (it holds NUL bytes: UTF-16, or no text at all?)' : ''}`,
  headerQuotes: (fault: string) => `in the header ${fault}`,
  headerDelimiter: (delimiter: string) =>
    `the header is delimited by ${nameOfDelimiter(delimiter)}: columns must be separated by commas`,
  headerIsSeparator: (separator: string) =>
    `the file begins with "sep=${separator}" instead of the header: delete this line${
      separator === ',' ? '' : `, and separate columns by commas instead of ${nameOfDelimiter(separator)}`
    }`,
  headerIsComment: () =>
    'the file begins with a comment ("#"): the header must be the first line, without "#"',
  headerIsBlank: () => 'the file begins with a line without names: the header must be the first line',
  headerLineEnds: () => 'the header holds a lone carriage return: lines must end with LF or CRLF',
  otherFormat: (format: string) =>
    `the file is ${format}: it must be CSV in UTF-8, packed with gzip once or not at all`,
  quoteNeverClosed: (line: number) =>
    `the record that starts on line ${line} opens a quote (") that is never closed`,
  recordTooLong: (line: number, mostBytes: number) =>
    `the record that starts on line ${line} is longer than ${mostBytes} bytes: is a quote (") in it never closed?`,
  // a row
  rowNotUtf8: () => 'the row is not UTF-8',
  rowFieldCount: (count: number, headerCount: number) =>
    `the row has ${count} fields, the header ${headerCount}`,
  nulByte: () => 'a value holds a NUL byte',
  valueGoesOn: () => 'a value goes on behind its closing double quote',
  quoteInValue: () => 'a double quote stands inside a value',
};
type ContentReasons = typeof CONTENT_REASONS;

/** The content of an object or of a row makes it unusable; the message is the reason for the user. */
export class ContentError<Kind extends keyof ContentReasons = keyof ContentReasons> extends Error {
  override name = 'ContentError';

  constructor(
    readonly kind: Kind,
    ...details: Parameters<ContentReasons[Kind]>
  ) {
    super((CONTENT_REASONS[kind] as (...details: unknown[]) => string)(...details));
  }
}

/** The SQLSTATEs that BankPulse handles: those that its own functions raise, and some of PostgreSQL's. */
export const SQLSTATE = {
  /** hold_lease: another run has taken over. */
  leaseLost: 'BP001',
  /** process_chunk: an object with the same number was applied before. */
  objectNumberTaken: 'BP002',
  /** process_chunk: the object is in the ledger already. */
  objectInLedger: 'BP003',
  /** threshold: a pattern's row lacks one of its thresholds. */
  thresholdMissing: 'BP004',
  /** raise_pattern_failure: a pattern's function has failed. */
  patternFailed: 'BP005',
  /** check_pattern: mechanism Y could not work with a row of patterns. */
  ruleUnusable: 'BP006',
  /** changed_thresholds: there is no such pattern or threshold. */
  noSuchRule: 'BP007',
  /** check_chunk_order: the ledger's chunks were applied in another order. */
  chunkOrderDiffers: 'BP008',
  /** take_checkpoint: the state does not agree with the ledger's counts. */
  checkpointDiffers: 'BP009',
  /** open_staging: on a distributed database, each lane is held by another session, or there are none. */
  noLaneFree: 'BP010',
  /** await_workers: a worker has not committed what the coordinator has, or does not say so. */
  workersUnsettled: 'BP011',
  invalidParameterValue: '22023',
  notNullViolation: '23502',
  uniqueViolation: '23505',
  readOnlyTransaction: '25006',
  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  noSuchDatabase: '3D000',
  noSuchSchema: '3F000',
  insufficientPrivilege: '42501',
  noSuchTable: '42P01',
  databaseExists: '42P04',
  objectInUse: '55006',
  queryCanceled: '57014',
  tooManyConnections: '53300',
  cannotConnectNow: '57P03',
  configuredLimitExceeded: '53400',
} as const;

/** SQLSTATEs, or classes of them, for errors that may pass by themselves: worth a new connection and a retry. */
const TRANSIENT_SQLSTATES = [
  '08', // connection exception
  SQLSTATE.readOnlyTransaction, // a standby before it takes over, a managed server whose disk is full
  '25P03', // a transaction that waited too long for its client
  '25P04', // a transaction that took too long
  '40', // transaction rollback: serialization failure, deadlock
  '53', // insufficient resources: disk full, out of memory, too many connections
  '55P03', // lock not available
  '57', // operator intervention: shutdown, crash, statement timeout
  '58', // system error: input or output failed
  SQLSTATE.leaseLost, // another Y has taken over: the retry stands by
  SQLSTATE.noLaneFree, // the sessions that hold the lanes end, and migrate makes lanes that are missing
  SQLSTATE.workersUnsettled, // a worker comes back, and Citus commits there what is left
];

/** The SQLSTATE of an error of PostgreSQL, or the code of one of the operating system. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Whether PostgreSQL raised one of these. */
export function hasSqlState(error: unknown, ...names: (keyof typeof SQLSTATE)[]): boolean {
  return names.some((name) => codeOf(error) === SQLSTATE[name]);
}

/** How the message begins if a connection is taken, but its first query is not answered. */
export const NO_ANSWER = 'no answer to the first query';

/** Whether there is no connection left: by a limit of the server, the role or the database, or in a pooler. */
export function isShortOfConnections(error: unknown): boolean {
  return (
    hasSqlState(error, 'tooManyConnections') ||
    // PgBouncer has no SQLSTATE of its own for these
    new RegExp(`^${NO_ANSWER}|max_client_conn|query_wait_timeout|too many`).test(messageOf(error))
  );
}

/** Errors with which a session was refused or ended: they tell nothing about the work in it. */
const sessionErrors = new WeakSet<object>();

/** Notes that this error is the end of a session, or is in its place. @returns the error. */
export function asSessionError<Thrown>(error: Thrown): Thrown {
  if (typeof error === 'object' && error !== null) sessionErrors.add(error);
  return error;
}

/**
 * Whether a new connection, or a retry later, may succeed. A session that is refused, or ended by the server, may be
 * granted later, whatever the reason: the server's disk may be full (XX000 if it cannot write its own files), its
 * password service away, the database being restored. What a user must mend is said by `connectOrExplain`, before the
 * work begins.
 */
export function isTransientDatabaseError(error: unknown): boolean {
  if (typeof error === 'object' && error !== null && sessionErrors.has(error)) return true;
  // the severity of PostgreSQL in English; the session has ended in the middle of a query
  if (/^(FATAL|PANIC)$/.test(String((error as { severity?: unknown } | null | undefined)?.severity)))
    return true;
  const code = codeOf(error);
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    if (code === SQLSTATE.configuredLimitExceeded) return false; // such as temp_file_limit
    return (
      TRANSIENT_SQLSTATES.some((transient) => code.startsWith(transient)) ||
      isTransientCitusError(error, code)
    );
  }
  return (
    (code !== undefined &&
      /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/.test(code)) ||
    // pg's own errors for a lost connection have no code
    /^(Connection terminated|Client has encountered a connection error|timeout expired|no answer|Query read timeout|Client was closed)/.test(
      messageOf(error),
    )
  );
}

/** Whatever the language of the message. */
const STATE_SHARD_KEY =
  /\b(customer_merchant_stats|merchant_stats|customer_weights|merchant_count_histogram|merchant_top_counts|upgrade_candidates)_pkey_\d{6,}\b/;

/**
 * What Citus reports without an SQLSTATE of its own. A worker is lost in the middle of a statement; it does not find the
 * shards that a rebalance has just moved; or it had not committed the chunk before when this one read the state there, and
 * a key of the state is there twice now: its constraint has the number of the shard in its name. In each case the chunk is
 * rolled back on all servers, and the retry finds them as they are then.
 */
function isTransientCitusError(error: unknown, code: string): boolean {
  if (code === SQLSTATE.uniqueViolation) return STATE_SHARD_KEY.test(messageOf(error));
  return (
    code === 'XX000' &&
    /connection (marked as essential|not open|to the remote node)|closed the connection unexpectedly|could not find valid entry for shard/.test(
      messageOf(error),
    )
  );
}

/**
 * Whether the function of a pattern has failed. On a distributed database PostgreSQL does not catch the error, and its
 * context tells.
 */
export function isPatternFailure(error: unknown): error is Error {
  if (hasSqlState(error, 'patternFailed', 'thresholdMissing')) return true;
  const where = (error as { where?: unknown } | null | undefined)?.where;
  return typeof where === 'string' && where.includes('newly_matching(') && !isTransientDatabaseError(error);
}

/** What has failed in a pattern; by the name of its function, if the message does not name the pattern. */
export function describePatternFailure(error: Error): string {
  const { where } = error as { where?: unknown };
  // the innermost function that takes thresholds alone
  const name =
    typeof where === 'string' ? /function (?:bankpulse\.)?([^\s(]+)\(jsonb\)/.exec(where)?.[1] : undefined;
  const isNamed = hasSqlState(error, 'patternFailed', 'thresholdMissing') || name === undefined;
  return isNamed ? messageOf(error) : `function bankpulse.${name}: ${messageOf(error)}`;
}

/** Class 22 of SQLSTATE: PostgreSQL refuses the data, so a retry would fail, too. */
export function isDataError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && /^22...$/.test(codeOf(error) ?? '');
}

/** The message of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** Node's codes for a certificate that it does not trust; all but the last are OpenSSL's. */
const CERTIFICATE_CODES = /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|INVALID_CA|ERR_TLS_CERT_)/;

/** Advice on an error about a server's certificate; undefined for any other error. */
export function certificateAdvice(error: unknown, howToTrust: string): string | undefined {
  const code = codeOf(error) ?? '';
  if (!CERTIFICATE_CODES.test(code)) return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'the certificate is for another host: use a name that it holds';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'renew the certificate, or correct the clock';
  return howToTrust;
}
