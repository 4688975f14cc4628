import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { SignatureV4 } from '@smithy/signature-v4';
import { S3Error } from './xml.js';

const MAX_SKEW = 15 * 60_000; // in milliseconds
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=([^,/]+)\/\d+\/([^,/]+)\/[^,]+, *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$/;

/** SHA-256, or the HMAC by it, with the methods that `SignatureV4` calls. */
class Sha256 {
  private readonly hash;
  constructor(secret?: unknown) {
    this.hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string | Buffer);
  }
  update = (bytes: Uint8Array) => void this.hash.update(bytes);
  digest = (): Promise<Uint8Array> => Promise.resolve(this.hash.digest());
}
const SIGNER = { service: 's3', region: '', uriEscapePath: false, sha256: Sha256 };
type Credentials = { accessKeyId: string; secretAccessKey: string };

/** Returns path and query of a request that carries the key's signature in a header, or throws an S3Error. */
export async function authenticate(req: IncomingMessage, credentials: Credentials) {
  const { method = '', url = '', headers } = req;
  const [path = '', search] = url.split(/\?(.*)/s);
  const query = Object.fromEntries(new URLSearchParams(search));
  if ('X-Amz-Signature' in query) throw new S3Error(501, 'NotImplemented', 'presigned URLs');
  const fields = AUTHORIZATION.exec(headers.authorization ?? '') ?? [];
  const [, keyId, signingRegion = '', names = '', signature = ''] = fields;
  if (keyId === undefined) throw new S3Error(403, 'AccessDenied', 'There is no signature of version 4.');
  if (keyId !== credentials.accessKeyId) throw new S3Error(403, 'InvalidAccessKeyId');
  const time = String(headers['x-amz-date']).replace(/^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:');
  const signingDate = new Date(time);
  if (!(Math.abs(Date.now() - Number(signingDate)) <= MAX_SKEW))
    throw new S3Error(403, 'RequestTimeTooSkewed');

  const signableHeaders = new Set(names.split(';'));
  const needed = Object.keys(headers).filter((name) => name.startsWith('x-amz-'));
  if (!['host', 'x-amz-content-sha256', ...needed].every((name) => signableHeaders.has(name)))
    throw new S3Error(403, 'AccessDenied', 'host or an x-amz- header is not signed.');
  const signed = Object.fromEntries([...signableHeaders].map((name) => [name, String(headers[name])]));
  const right = await new SignatureV4({ ...SIGNER, credentials }).sign(
    { method, protocol: 'http:', hostname: '', path, query, headers: signed },
    { signingDate, signingRegion, signableHeaders },
  );
  const expected = String(right.headers.authorization).slice(-signature.length);
  const isRight = timingSafeEqual(Buffer.from(signature), Buffer.from(expected));
  if (!isRight) throw new S3Error(403, 'SignatureDoesNotMatch');
  return { path: decodeURIComponent(path), query };
}
