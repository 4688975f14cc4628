import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import S3Error from '@20minutes/s3rver/lib/models/error.js';

const MAX_SKEW_MS = 15 * 60_000;

/**
 * Checks a request's signature, version 4, in its Authorization header. s3rver's own check lets requests without a
 * signature through, and refuses right ones whose path ends in a slash, as the SDK's listings do, or whose query
 * holds any of `!'()*`.
 * @throws S3Error when the request is not from somebody who has the key.
 */
export function verifySignature(req: IncomingMessage, accessKeyId: string, secretAccessKey: string): void {
  const { authorization = '', 'x-amz-date': time = '', 'x-amz-content-sha256': payload = '' } = req.headers;
  const fields =
    /^AWS4-HMAC-SHA256 +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]+)$/.exec(
      authorization,
    );
  if (!fields)
    throw new S3Error('AccessDenied', 'Requests must be signed, version 4, in the Authorization header.');
  const [credential = '', signedHeaders = '', signature = ''] = fields.slice(1);
  const [keyId, ...scope] = credential.split('/');
  if (keyId !== accessKeyId) {
    throw new S3Error(
      'InvalidAccessKeyId',
      'The AWS access key Id you provided does not exist in our records.',
    );
  }
  if (!/^([0-9a-f]{64}|UNSIGNED-PAYLOAD|STREAMING-AWS4-HMAC-SHA256-PAYLOAD)$/i.test(String(payload))) {
    throw new S3Error('NotImplemented', 'This x-amz-content-sha256 is not implemented.');
  }

  const stamp = String(time).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  if (!(Math.abs(Date.parse(stamp) - Date.now()) <= MAX_SKEW_MS)) {
    throw new S3Error('RequestTimeTooSkewed', 'The request time and the current time differ too much.');
  }

  const names = signedHeaders.split(';');
  const [path = '', query = ''] = (req.url ?? '').split(/\?(.*)/s);
  const canonical = [
    req.method,
    path.split('/').map(recode).join('/'),
    query === '' ? '' : canonicalQuery(query),
    ...names.map(
      (name) =>
        `${name}:${String(req.headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`,
    ),
    '',
    signedHeaders,
    payload,
  ].join('\n');
  const toSign = [
    'AWS4-HMAC-SHA256',
    time,
    scope.join('/'),
    createHash('sha256').update(canonical).digest('hex'),
  ];
  const key = scope.reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${secretAccessKey}`);
  const right = hmac(key, toSign.join('\n'));
  const given = Buffer.from(signature, 'hex');
  if (!names.includes('host') || given.length !== right.length || !timingSafeEqual(given, right)) {
    throw new S3Error('SignatureDoesNotMatch', 'The request signature does not match. Check your key.');
  }
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

function canonicalQuery(query: string): string {
  const pairs = query.split('&').map((pair) => pair.split(/=(.*)/s).slice(0, 2).map(recode));
  return pairs
    .map(([name = '', value = '']) => `${name}=${value}`)
    .sort()
    .join('&');
}

/** As RFC 3986 and AWS want it, however the client wrote it. */
function recode(text: string): string {
  try {
    return encodeURIComponent(decodeURIComponent(text)).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  } catch {
    throw new S3Error('InvalidURI', 'Could not parse the specified URI.');
  }
}
