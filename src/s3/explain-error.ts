import { UsageError, UserError, certificateAdvice, codeOf, messageOf } from '../errors.js';
import {
  UnreadableObject,
  answerOf,
  isDeniedByStore,
  isFromStore,
  isMissingObject,
  isRedirect,
  isTransientStoreError,
  nameOf,
  statusOf,
} from './store-errors.js';

/** Where a request went. */
export interface StorePlace {
  bucket: string;
  /** A URL; undefined: AWS itself. */
  endpoint: string | undefined;
  region: string | undefined;
  /** Without password; undefined: none. */
  proxy: string | undefined;
  /** Why the sources of credentials that were asked have none, in the SDK's own words. */
  credentialReasons: () => readonly string[];
}

/** The server, and the proxy in front of it. */
export function describeServer({ endpoint, region, proxy }: StorePlace): string {
  const server = endpoint ? new URL(endpoint).origin : region ? `AWS S3 in ${region}` : 'AWS S3';
  return proxy === undefined ? server : `${server} by way of the proxy ${proxy}`;
}

/** An error of the store as one line for the user: what was tried, and what to do. Any other error as it is. */
export function explainStoreError(error: unknown, place: StorePlace): unknown {
  if (error instanceof UserError || error instanceof UsageError || nameOf(error) === 'AbortError')
    return error;
  const text = describe(error, place);
  if (text === undefined) return error;
  return new UserError(`${text}${hintOf(error, place)}`, { cause: error });
}

function describe(error: unknown, place: StorePlace): string | undefined {
  const bucket = `bucket "${place.bucket}"`;
  const at = describeServer(place);
  const name = nameOf(error);
  const answer = answerOf(error);
  const inBrackets = answer === '' ? '' : ` (${answer})`;

  if (error instanceof UnreadableObject) {
    if (statusOf(error.cause) === 403 && error.mayConcernAll && !/KMS/.test(error.reason)) {
      const cause = [answerOf(error.cause), `reading ${error.key}`].filter(Boolean).join(', ');
      return `access to ${bucket} at ${at} is denied (${cause}): check the credentials, and their rights to list, read and write it`;
    }
    return `${bucket} at ${at}: ${error.message}`;
  }
  if (/^Region is missing/.test(messageOf(error))) return `no region for ${bucket}: set AWS_REGION`;
  if (name === 'CredentialsProviderError') return withoutCredentials(error, `${bucket} at ${at}`, place);
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EACCES') {
    return `no credentials for ${bucket} at ${at} (${answer}): correct AWS_WEB_IDENTITY_TOKEN_FILE, or the file of AWS's settings that names it`;
  }
  if (codeOf(error) === 'ERR_INVALID_CHAR') {
    return `the credentials for ${bucket} at ${at} hold a line break or another control character: set the access key, the secret key and the session token without it`;
  }
  const certificate = certificateAdvice(
    error,
    'name the file of its CA: NODE_EXTRA_CA_CERTS=FILE in the environment (.env is read too late)',
  );
  if (certificate !== undefined) return `${at} cannot be trusted${inBrackets}; ${certificate}`;
  if (/wrong version number|packet length too long/i.test(answer))
    return `${at} does not speak TLS: set AWS_ENDPOINT_URL_S3 to a URL that begins with http://`;
  if (place.endpoint?.startsWith('http:') && speaksTls(error)) {
    return `${at} does not answer as a store that speaks plain http: if it speaks TLS, set AWS_ENDPOINT_URL_S3 to a URL that begins with https://`;
  }
  if (name === 'RequestTimeTooSkewed') {
    return `${at} refuses the time of this machine, ${new Date().toISOString()}${inBrackets}: set the clock`;
  }
  if (/quota|(storage|transaction|download) ?cap\b|StorageLimit|InsufficientStorage/i.test(answer)) {
    return `${bucket} at ${at} is full: its quota is used up${inBrackets}; enlarge the quota, or delete objects`;
  }
  if (isTransientStoreError(error))
    return `cannot reach ${bucket} at ${at}${inBrackets}: check AWS_ENDPOINT_URL_S3 and the network`;
  if (name === 'NoSuchBucket' || name === 'InvalidBucketName')
    return `there is no ${bucket} at ${at}, and it is never created for you: create it, or correct S3_BUCKET`;
  if (name === 'AuthorizationHeaderMalformed' || isRedirect(error)) return elsewhere(error, bucket, at);
  if (isDeniedByStore(error)) {
    return `access to ${bucket} at ${at} is denied${inBrackets}: check the credentials, and their rights to list, read and write it`;
  }
  if (!isFromStore(error)) return undefined;
  return `${bucket} at ${at} cannot be used${inBrackets || ` (HTTP ${statusOf(error)})`}`;
}

/** What the chain of sources says when none has credentials; the reason of each is told beside. */
const NO_REASON = /^Could not load credentials from any providers$/;
/** What a source says that was not set up. */
const NOT_SET_UP =
  /^(Not found in|AWS_PROFILE is set, skipping|Skipping |Unable to find environment variable|Web identity configuration not|AWS_EC2_METADATA_V1_DISABLED|EC2 Instance Metadata Service access disabled|Could not load credentials from)/;

function withoutCredentials(error: unknown, where: string, { credentialReasons }: StorePlace): string {
  const profile = process.env.AWS_PROFILE;
  // without AWS_PROFILE, that there is no profile "default" is no news
  const isNews = (reason: string) =>
    !NOT_SET_UP.test(reason) && (profile !== undefined || !/\bprofile:? \[?default\b/i.test(reason));
  const reason = NO_REASON.test(messageOf(error)) ? credentialReasons().find(isNews) : messageOf(error);
  const told = reason === undefined ? '' : ` (${reason.replace(/\s+/g, ' ').trim()})`;
  const remedy =
    profile === undefined
      ? 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE'
      : `mend the profile "${profile}", correct AWS_PROFILE, or unset it and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
  return `no credentials for ${where}${told}: ${remedy}`;
}

function headersOf(error: unknown): Record<string, string> {
  // the SDK hides the answer from those who print the error
  const { $response } = error as { $response?: { headers?: Record<string, string> } };
  return $response?.headers ?? {};
}

/** The answer of a server that speaks TLS to a request without, or of a gateway in front of it. */
function speaksTls(error: unknown): boolean {
  const { 'content-type': type, location } = headersOf(error);
  if (statusOf(error) === 400)
    return type === undefined ? /parse error/i.test(messageOf(error)) : /html|plain/i.test(type);
  return /^HPE_/.test(codeOf(error) ?? '') || /^https:/.test(location ?? '');
}

/** The bucket is in another region, or the server sends the client elsewhere. */
function elsewhere(error: unknown, bucket: string, at: string): string {
  const { Region, Endpoint } = error as { Region?: unknown; Endpoint?: unknown };
  const { 'x-amz-bucket-region': named, location } = headersOf(error);
  const [, expected] = /expecting '([^']+)'/.exec(messageOf(error)) ?? [];
  const [, inEndpoint] = /\.s3[.-]([a-z]{2}(?:-[a-z]+)+-\d)\./.exec(String(Endpoint)) ?? [];
  const region = [named, Region, expected, inEndpoint].find((text) => typeof text === 'string');
  const answer = answerOf(error);
  if (region !== undefined) {
    return `${bucket} is in the region ${region}, which is not the one that ${at} was asked for: set AWS_REGION=${region}`;
  }
  if (location !== undefined && nameOf(error) !== 'PermanentRedirect')
    return `${at} sends its clients to ${location}: set AWS_ENDPOINT_URL_S3 to the server that answers there`;
  return `${bucket} is not in the region that ${at} was asked for${answer && ` (${answer})`}: correct AWS_REGION`;
}

/** What may be the cause behind the error, as the end of its line. */
function hintOf(error: unknown, { bucket, endpoint }: StorePlace): string {
  const without = endpoint === undefined ? undefined : withoutBucket(endpoint, bucket);
  if (
    without !== undefined &&
    (!isTransientStoreError(error) || statusOf(error) !== undefined || codeOf(error) === 'ENOTFOUND')
  )
    return `; AWS_ENDPOINT_URL_S3 holds the name of the bucket, which is put there by itself: set it to ${without}`;
  const status = statusOf(error);
  if (status === 400 && /Content-MD5 OR x-amz-checksum/i.test(answerOf(error)))
    return '; the bucket demands checksums: unset AWS_REQUEST_CHECKSUM_CALCULATION';
  if (status === 501 || (status === 400 && /header you provided|checksum|trailer/i.test(answerOf(error)))) {
    return (
      '; a store that does not know checksums needs AWS_REQUEST_CHECKSUM_CALCULATION=when_required, ' +
      'one that does not know If-None-Match S3_CONDITIONAL_PUTS=false'
    );
  }
  if (nameOf(error) === 'AccessDenied' && /encrypt|PutObject|explicit deny/i.test(messageOf(error)))
    return '; if a policy demands encryption, set S3_SERVER_SIDE_ENCRYPTION';
  return isMissingObject(error) ? '; is AWS_ENDPOINT_URL_S3 the address of an S3 store?' : '';
}

/** The endpoint without the bucket, if it holds it as the begin of its host or as the end of its path. */
function withoutBucket(endpoint: string, bucket: string): string | undefined {
  const url = new URL(endpoint);
  const path = url.pathname.replace(/\/+$/, '');
  if (path.endsWith(`/${bucket}`)) url.pathname = path.slice(0, -bucket.length);
  else if (url.hostname.startsWith(`${bucket}.`)) url.hostname = url.hostname.slice(bucket.length + 1);
  else return undefined;
  return url.href.replace(/\/$/, '');
}
