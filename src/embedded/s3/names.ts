import S3Error from '@20minutes/s3rver/lib/models/error.js';

/** Whether this can be a bucket, and so a directory. */
export function isBucketName(name: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..');
}

/**
 * A key becomes a path: what would leave the bucket, meet another key, or be too long for a file is refused.
 * @throws S3Error
 */
export function assertStorable(key: string): void {
  if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError', 'Your key is too long');
  const segments = key.split('/');
  const isFolder = segments.at(-1) === '' && segments.length > 1;
  const parts = isFolder ? segments.slice(0, -1) : segments;
  const longest = 255 - Buffer.byteLength('._S3rver_metadata.json');
  if (
    key.includes('\0') ||
    key.includes('._S3rver_') ||
    parts.some((part) => part === '' || part === '.' || part === '..' || Buffer.byteLength(part) > longest)
  ) {
    throw new S3Error(
      'InvalidArgument',
      'The embedded S3 server keeps objects as files and cannot store this key.',
      {
        ArgumentName: 'Key',
        ArgumentValue: key,
      },
    );
  }
}

/** @throws S3Error for a multipart upload's number that we have not given out. */
export function assertUpload(uploadId: string): void {
  if (!/^[0-9a-f]{32}$/.test(uploadId))
    throw new S3Error('NoSuchUpload', 'The specified upload does not exist.');
}
