/** Something the user can act on: printed as one line, without a stack trace; the process ends with 1. */
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

/** An object's content makes it unusable as a whole: the reason it is quarantined for. */
export class ContentError extends Error {
  override name = 'ContentError';
}

/** The SQLSTATEs that are told apart: those that BankPulse's own functions raise, and some of PostgreSQL's. */
export const SQLSTATE = {
  /** hold_lease: another run has taken over. */
  leaseLost: 'BP001',
  /** process_chunk: an object with the same number was applied before. */
  objectNumberTaken: 'BP002',
  /** process_chunk: the object is in the ledger already. */
  objectInLedger: 'BP003',
  /** threshold: a pattern's row lacks one of its thresholds. */
  thresholdMissing: 'BP004',
  invalidParameterValue: '22023',
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
} as const;

/** Classes of SQLSTATE, or whole codes, that may pass by themselves: worth connecting and trying again. */
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
  SQLSTATE.leaseLost, // stand by until the lock is free
];

/** The SQLSTATE of an error of PostgreSQL, or the code of one of the operating system. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Whether PostgreSQL failed with one of these. */
export function hasSqlState(error: unknown, ...names: (keyof typeof SQLSTATE)[]): boolean {
  return names.some((name) => codeOf(error) === SQLSTATE[name]);
}

/** Whether the database said what connecting again, or waiting, may cure. */
export function isTransientDatabaseError(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== undefined && /^[0-9A-Z]{5}$/.test(code)) {
    return TRANSIENT_SQLSTATES.some((transient) => code.startsWith(transient));
  }
  return (
    (code !== undefined &&
      /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND)/.test(code)) ||
    // pg's own errors for a lost connection have no code
    /^(Connection terminated|Client has encountered a connection error|timeout expired|Query read timeout|Client was closed)/.test(
      messageOf(error),
    )
  );
}

/** Class 22 of SQLSTATE: PostgreSQL objects to the data, not to anything that could pass. */
export function isDataError(error: unknown): boolean {
  return /^22...$/.test(codeOf(error) ?? '');
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** What Node calls a certificate that does not convince; the first ones are OpenSSL's names. */
const CERTIFICATE_CODES = /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|INVALID_CA|ERR_TLS_CERT_)/;

/** What to do about a server's certificate; undefined if the error is about something else. */
export function certificateAdvice(error: unknown, howToTrust: string): string | undefined {
  const code = codeOf(error) ?? '';
  if (!CERTIFICATE_CODES.test(code)) return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'the certificate is for another host: use a name that it holds';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'renew the certificate, or correct the clock';
  return howToTrust;
}
