import { listKeys, type ObjectFiles } from './object-files.js';
import { S3Error, elements } from './xml.js';

const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** A page of a bucket's keys, by ListObjectsV2 or, with a marker, by the older ListObjects. */
export function listObjects(files: ObjectFiles, bucket: string, query: Record<string, string>): string {
  const { prefix = '', delimiter = '', 'max-keys': maxKeys = '1000', 'encoding-type': encoding } = query;
  if (!/^\d+$/.test(maxKeys) || (encoding ?? 'url') !== 'url') throw new S3Error(400, 'InvalidArgument');
  const limit = Math.min(1000, Number(maxKeys));
  const token = query['continuation-token'];
  const after = token ? decodeURIComponent(token) : (query['start-after'] ?? query.marker ?? '');
  const inUrl = (key: string) => encodeURIComponent(key).replaceAll('%2F', '/');
  const encode = encoding === undefined ? (key: string) => key : inUrl;

  const entries: string[] = [];
  let [last, isTruncated] = [after, false];
  for (const key of limit > 0 ? listKeys(files.folder(bucket), prefix, after) : []) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const group = end === -1 ? undefined : key.slice(0, end + delimiter.length);
    if (group === last) continue;
    isTruncated = entries.length === limit;
    if (isTruncated) break;
    last = group ?? key;
    if (group !== undefined) {
      entries.push(`<CommonPrefixes>${elements({ Prefix: encode(group) })}</CommonPrefixes>`);
      continue;
    }
    const { md5, size, mtimeMs } = files.describe(files.path(bucket, key));
    const LastModified = new Date(mtimeMs).toISOString();
    const object = { Key: encode(key), LastModified, ETag: `"${md5}"`, Size: size, StorageClass: 'STANDARD' };
    entries.push(`<Contents>${elements(object)}</Contents>`);
  }
  const head = elements({
    Name: bucket,
    Prefix: encode(prefix),
    MaxKeys: limit,
    KeyCount: entries.length,
    IsTruncated: isTruncated,
    ...(encoding !== undefined && { EncodingType: encoding }),
    ...(isTruncated && { NextContinuationToken: inUrl(last), NextMarker: encode(last) }),
  });
  return `<ListBucketResult xmlns="${NAMESPACE}">${head}${entries.join('')}</ListBucketResult>`;
}
