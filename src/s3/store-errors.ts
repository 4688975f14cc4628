import { codeOf } from '../errors.js';

/** An answer whose body is missing, cut short or unreadable. Transient. */
export class IncompleteBody extends Error {
  override name = 'IncompleteBody';
}

/** The object was replaced or deleted while it was read: it must be read again. Transient. */
export class ObjectChanged extends Error {
  override name = 'ObjectChanged';
}

/** The store has the object and does not hand it out. */
export class UnreadableObject extends Error {
  override name = 'UnreadableObject';
  /** What is wrong with it, and what to do. */
  readonly reason: string;
  /** Whether the same may hold for every object: then only a look at another one tells. */
  readonly mayConcernAll: boolean;

  constructor(
    readonly key: string,
    override readonly cause: unknown,
  ) {
    const { what, remedy, mayConcernAll } = causeOfRefusal(cause);
    const answer = answerOf(cause);
    const reason = `${what}${answer && ` (${answer})`}: ${remedy}`;
    super(`${key} cannot be read: ${reason}`);
    this.reason = reason;
    this.mayConcernAll = mayConcernAll;
  }
}

/** Why the store does not hand out an object, if that concerns this object alone. @throws any other error. */
export function refusalOf(error: unknown): string {
  if (error instanceof UnreadableObject && !error.mayConcernAll) return error.reason;
  throw error;
}

const TRANSIENT_NAMES =
  /^(IncompleteBody|ObjectChanged|TimeoutError|RequestTimeout|SlowDown|.*Thrott.*|OperationAborted|BadDigest|XAmzContentSHA256Mismatch|CredentialsProviderError)$/;
const TRANSIENT_CODES = /^(ECONN|ENET|EHOST|EAI_|HPE_)|^(ENOTFOUND|EPIPE|ETIMEDOUT|EPROTO|EADDRNOTAVAIL)$/;
/** Refusals of whoever asks, whatever is asked for. */
const REFUSED_CALLER =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|RequestTimeTooSkewed|ExpiredToken(Exception)?|TokenRefreshRequired|InvalidToken|InvalidSecurity|AllAccessDisabled|AccountProblem|NotSignedUp|UserSuspended|UnrecognizedClientException|InvalidClientTokenId)$/;
const WRONG_PLACE =
  /^(NoSuchBucket|InvalidBucketName|AuthorizationHeaderMalformed|PermanentRedirect|TemporaryRedirect|IllegalLocationConstraintException)$/;

/**
 * True for errors that may pass by themselves: network errors, timeouts, 5xx, throttling, damaged or unreadable answers,
 * incomplete bodies, credentials that their source does not hand out at the moment.
 */
export function isTransientStoreError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (/^(UserError|UsageError|AbortError|UnreadableObject)$/.test(error.name)) return false;
  const status = statusOf(error);
  return (
    TRANSIENT_NAMES.test(error.name) ||
    TRANSIENT_CODES.test(codeOf(error) ?? '') ||
    (status !== undefined &&
      ((status >= 500 && status !== 501) || status === 408 || status === 429 || status < 300)) ||
    (error.cause !== undefined && isTransientStoreError(error.cause))
  );
}

/** True for errors that only a person can mend: no rights, wrong keys, no such bucket, another region. */
export function isDeniedByStore(error: unknown): boolean {
  const status = statusOf(error);
  return (
    WRONG_PLACE.test(nameOf(error)) ||
    REFUSED_CALLER.test(nameOf(error)) ||
    status === 401 ||
    status === 403 ||
    isRedirect(error)
  );
}

/** Whether the refusal of a GET is about the object, or may be: any other request would be refused, too, otherwise. */
export function mayBeAboutObject(error: unknown): boolean {
  const status = statusOf(error);
  if (status === undefined || status < 400 || isTransientStoreError(error)) return false;
  return !WRONG_PLACE.test(nameOf(error)) && !REFUSED_CALLER.test(nameOf(error)) && status !== 401;
}

/** Whether the store sends the client elsewhere. */
export function isRedirect(error: unknown): boolean {
  const status = statusOf(error) ?? 0;
  return status >= 301 && status <= 308 && status !== 304;
}

/** The name of an error. Names and HTTP statuses tell errors apart, not messages: those of Ceph are empty. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** The HTTP status of the store's answer; undefined if there was none. */
export function statusOf(error: unknown): number | undefined {
  if (!isFromStore(error)) return undefined;
  const { httpStatusCode } = error.$metadata;
  return typeof httpStatusCode === 'number' ? httpStatusCode : undefined;
}

export function isFromStore(error: unknown): error is Error & { $metadata: { httpStatusCode?: unknown } } {
  return error instanceof Error && '$metadata' in error && error.$metadata instanceof Object;
}

/** True if the object is missing. A HEAD says only 404, also for a missing bucket, which the next call then shows. */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket';
}

/** The name and the words of an error, in one line; '' if it has neither. */
export function answerOf(error: unknown): string {
  const message = error instanceof Error ? error.message.replace(/\s+/g, ' ').trim() : String(error);
  return [nameOf(error), message]
    .filter((text) => !['', 'Error', 'Unknown', 'UnknownError', 'UserError', '400', '403'].includes(text))
    .join(': ');
}

/** Why the store does not hand out an object, and what to do. */
function causeOfRefusal(error: unknown): { what: string; remedy: string; mayConcernAll: boolean } {
  const name = nameOf(error);
  const answer = answerOf(error);
  if (name === 'InvalidObjectState' || /archived/i.test(answer)) {
    return {
      what: 'it is archived',
      remedy: 'restore it from the archive; a chunk may also be moved out of CHUNKS_PREFIX',
      mayConcernAll: false,
    };
  }
  if (/^KMS\.|kms:|\bKMS\b/.test(answer)) {
    return {
      what: 'its KMS key cannot be used',
      remedy: 'enable the key, and allow kms:Decrypt with it',
      mayConcernAll: true,
    };
  }
  if (/encrypt|SSECustomer|customer.*key/i.test(answer) || (name === 'InvalidRequest' && answer === name)) {
    return {
      what: "it is encrypted with a customer's own key (SSE-C), which BankPulse does not have",
      remedy: 'store it again without that key',
      mayConcernAll: false,
    };
  }
  if (/^Lambda/.test(name)) {
    return { what: 'its object lambda fails', remedy: 'mend the function', mayConcernAll: true };
  }
  if (statusOf(error) === 403) {
    return {
      what: 'access to it is denied',
      remedy: "allow s3:GetObject on it: see its owner, ACL and tags, and the bucket's policy",
      mayConcernAll: true,
    };
  }
  if (isTransientStoreError(error)) {
    return {
      what: 'the store fails on it again and again, though it hands out others',
      remedy: 'look at the store, or put the object again',
      mayConcernAll: true,
    };
  }
  return { what: 'the store refuses it', remedy: 'put it again, or remove it', mayConcernAll: true };
}
