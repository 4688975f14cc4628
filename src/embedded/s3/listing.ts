import { type Context } from '@20minutes/s3rver';
import S3Error from '@20minutes/s3rver/lib/models/error.js';
import { type ObjectStore } from './store.js';

/**
 * ListObjects, versions 1 and 2. s3rver's own makes its continuation tokens with DES, which Node no longer has: it
 * fails at the first listing of more than a page. Nor does it know `encoding-type` or S3's order.
 */
export function listObjects(context: Context, store: ObjectStore): void {
  const { query, params } = context;
  const isV2 = query['list-type'] === '2';
  const { prefix = '', delimiter = '', 'continuation-token': token } = query;
  const startAfter = (isV2 ? query['start-after'] : query.marker) ?? '';
  const limit = Math.min(1000, wholeNumber(query['max-keys'] ?? '1000'));
  const after = isV2 && token !== undefined ? Buffer.from(token, 'base64url').toString() : startAfter;

  const isUrl = query['encoding-type'] === 'url';
  const encoded = (text: string) => (isUrl ? text.split('/').map(encodeURIComponent).join('/') : text);

  const contents: string[] = [];
  const commonPrefixes: string[] = [];
  let next: string | undefined;
  let last = after;
  for (const key of limit > 0 ? store.keys(params.bucket, prefix, after) : []) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = end === -1 ? undefined : key.slice(0, end + delimiter.length);
    if (group !== undefined && group === commonPrefixes.at(-1)) continue;
    if (contents.length + commonPrefixes.length === limit) {
      next = last;
      break;
    }
    if (group !== undefined) {
      commonPrefixes.push(group);
      last = `${group}\u{10ffff}`; // behind everything in the group
      continue;
    }
    const metadata = store.describe(params.bucket, key);
    if (metadata === undefined) continue;
    last = key;
    contents.push(
      elements({
        Key: encoded(key),
        LastModified: new Date(metadata['last-modified'] ?? 0).toISOString(),
        ETag: metadata.etag,
        Size: metadata['content-length'],
        StorageClass: 'STANDARD',
      }),
    );
  }

  const page = isV2
    ? {
        StartAfter: query['start-after'] === undefined ? undefined : encoded(startAfter),
        ContinuationToken: token,
        NextContinuationToken: next === undefined ? undefined : Buffer.from(next).toString('base64url'),
        KeyCount: contents.length + commonPrefixes.length,
      }
    : { Marker: encoded(startAfter), NextMarker: next === undefined ? undefined : encoded(next) };
  context.type = 'application/xml';
  context.body = [
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
    elements({
      Name: params.bucket,
      Prefix: encoded(prefix),
      Delimiter: delimiter === '' ? undefined : encoded(delimiter),
      MaxKeys: limit,
      EncodingType: isUrl ? 'url' : undefined,
      IsTruncated: next !== undefined,
      ...page,
    }),
    ...contents.map((content) => `<Contents>${content}</Contents>`),
    ...commonPrefixes.map(
      (group) => `<CommonPrefixes>${elements({ Prefix: encoded(group) })}</CommonPrefixes>`,
    ),
    '</ListBucketResult>',
  ].join('');
}

/** By hand: s3rver's way from objects to XML escapes twice, and `a&b` arrives as `a&amp;b`. */
function elements(values: Record<string, string | number | boolean | undefined>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `<${name}>${String(value).replace(/[&<>\r\n]/g, (sign) => `&#${sign.charCodeAt(0)};`)}</${name}>`,
    )
    .join('');
}

function wholeNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new S3Error('InvalidArgument', 'Provided max-keys not an integer or within integer range', {
    ArgumentName: 'max-keys',
    ArgumentValue: text,
  });
}
