import { UserError, certificateAdvice, messageOf } from '../errors.js';

/** An answer whose body is missing, cut short or unreadable. Transient. */
export class IncompleteBody extends Error {
  override name = 'IncompleteBody';
}

/** The object was replaced or deleted while it was read: it must be read again. Transient. */
export class ObjectChanged extends Error {
  override name = 'ObjectChanged';
}

const TRANSIENT_NAMES =
  /^(IncompleteBody|ObjectChanged|TimeoutError|RequestTimeout|SlowDown|.*Thrott.*|OperationAborted|BadDigest|XAmzContentSHA256Mismatch|CredentialsProviderError)$/;
const TRANSIENT_CODES = /^(ECONN|ENET|EHOST|EAI_|HPE_)|^(ENOTFOUND|EPIPE|ETIMEDOUT|EPROTO|EADDRNOTAVAIL)$/;
const DENIED_NAMES =
  /^(NoSuchBucket|InvalidBucketName|InvalidToken|ExpiredToken|AuthorizationHeaderMalformed)$/;

/**
 * True for errors that may pass by themselves: network errors, timeouts, 5xx, throttling, damaged or unreadable answers,
 * incomplete bodies, credentials that their source does not hand out at the moment.
 */
export function isTransientStoreError(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof UserError || error.name === 'AbortError') return false;
  const status = statusOf(error);
  return (
    TRANSIENT_NAMES.test(error.name) ||
    ('code' in error && TRANSIENT_CODES.test(String(error.code))) ||
    (status !== undefined &&
      ((status >= 500 && status !== 501) || status === 408 || status === 429 || status < 300)) ||
    (error.cause !== undefined && isTransientStoreError(error.cause))
  );
}

/** True for errors that only a person can mend: no rights, wrong keys, no such bucket, another region. */
export function isDeniedByStore(error: unknown): boolean {
  const status = statusOf(error);
  return DENIED_NAMES.test(nameOf(error)) || status === 401 || status === 403 || status === 301;
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

function isFromStore(error: unknown): error is Error & { $metadata: { httpStatusCode?: unknown } } {
  return error instanceof Error && '$metadata' in error && error.$metadata instanceof Object;
}

/** True if the object is missing. A HEAD says only 404, also for a missing bucket, which the next call then shows. */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket';
}

/** An error of the store as one line for the user: what was tried, and what to do. Any other error as it is. */
export function explainStoreError(error: unknown, bucketName: string, place: string): unknown {
  const name = nameOf(error);
  const bucket = `bucket "${bucketName}"`;
  const answer = [name, messageOf(error).replace(/\s+/g, ' ')]
    .filter((text) => !['Error', 'UnknownError', 'UserError'].includes(text))
    .join(': ');
  const say = (text: string) => new UserError(text, { cause: error });

  if (error instanceof UserError || name === 'AbortError') return error;
  if (/^Region is missing/.test(messageOf(error))) return say(`no region for ${bucket}: set AWS_REGION`);
  if (name === 'CredentialsProviderError') {
    return say(
      `no credentials for ${bucket} at ${place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE`,
    );
  }
  const advice = certificateAdvice(
    error,
    'name the file of its CA: NODE_EXTRA_CA_CERTS=FILE in the environment (.env is read too late)',
  );
  if (advice !== undefined) return say(`${place} cannot be trusted (${answer}); ${advice}`);
  if (isTransientStoreError(error)) {
    return say(`cannot reach ${bucket} at ${place} (${answer}): check AWS_ENDPOINT_URL_S3 and the network`);
  }
  if (name === 'NoSuchBucket' || name === 'InvalidBucketName') {
    return say(
      `there is no ${bucket} at ${place}, and it is never created for you: create it, or correct S3_BUCKET`,
    );
  }
  if (name === 'AuthorizationHeaderMalformed' || statusOf(error) === 301) {
    return say(`${bucket} is not in the region that ${place} was asked for (${answer}): correct AWS_REGION`);
  }
  if (isDeniedByStore(error)) {
    return say(
      `access to ${bucket} at ${place} is denied (${answer}): check the credentials, and their rights to list, read and write it`,
    );
  }
  return isFromStore(error) ? say(`${bucket} at ${place} cannot be used (${answer})`) : error;
}
