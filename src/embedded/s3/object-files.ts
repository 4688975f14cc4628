import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { type IncomingHttpHeaders } from 'node:http';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { S3Error } from './xml.js';

/** How the names of an object's two files end. */
const CONTENT = '._S3rver_object';
const SIDECAR = '._S3rver_metadata.json';
/** The second file; size and time are those of the content that it describes. */
type Sidecar = { md5: string; size: number; mtimeMs: number; metadata: IncomingHttpHeaders };
const INCOMING = '.incoming'; // not a bucket's name
const METADATA = /^(content-(type|encoding|language|disposition)|cache-control|expires|x-amz-meta-.*)$/;

/**
 * Objects as files: a bucket is a folder, a key a path in it. A reader sees an object whole or not at all, since `put`
 * writes it aside and renames it. Steps that must not interleave are synchronous, and one process owns the folder: that
 * makes `If-None-Match: *` exact without a lock.
 */
export class ObjectFiles {
  constructor(private readonly root: string) {
    fs.rmSync(join(root, INCOMING), { recursive: true, force: true });
    fs.mkdirSync(join(root, INCOMING), { recursive: true, mode: 0o700 });
  }

  /** The folder of a bucket; it is made unless it is there, if it `mayBeNew`. */
  folder(bucket: string, mayBeNew = false): string {
    const isName = /^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket);
    if (!isName) throw new S3Error(400, 'InvalidBucketName');
    const folder = join(this.root, bucket);
    if (mayBeNew) fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    else if (!fs.existsSync(folder)) throw new S3Error(404, 'NoSuchBucket');
    return folder;
  }

  /** The path of an object's two files, without the ends of their names. */
  path(bucket: string, key: string): string {
    if (Buffer.byteLength(key) > 1024) throw new S3Error(400, 'KeyTooLongError');
    const isPath = !/^\/|\/\/|(^|\/)\.\.?(\/|$)|\0|\._S3rver_/.test(key);
    const isShort = key.split('/').every((name) => Buffer.byteLength(name + SIDECAR) <= 255);
    if (!isPath || !isShort) throw new S3Error(400, 'InvalidArgument', 'The key cannot name a file.');
    return `${this.folder(bucket)}/${key}`;
  }

  /** Stores the body that came with these headers. When this returns its MD5, it is on the disk. */
  async put(path: string, body: AsyncIterable<Buffer>, headers: IncomingHttpHeaders): Promise<string> {
    const aside = join(this.root, INCOMING, randomUUID());
    const [md5, sha256, crc] = [createHash('md5'), createHash('sha256'), Buffer.alloc(4)];
    const file = await fs.promises.open(aside, 'wx', 0o600);
    try {
      for await (const block of body) {
        md5.update(block);
        sha256.update(block);
        crc.writeUInt32BE(crc32(block, crc.readUInt32BE()));
        fs.writeFileSync(file.fd, block);
      }
      const etag = md5.digest('hex');
      assertDeclared(headers, 'content-md5', Buffer.from(etag, 'hex').toString('base64'));
      assertDeclared(headers, 'x-amz-checksum-crc32', crc.toString('base64'));
      assertDeclared(headers, 'x-amz-content-sha256', sha256.digest('hex'));
      await file.sync();
      const { size, mtimeMs } = fs.fstatSync(file.fd);
      const isTaken = headers['if-none-match'] === '*' && fs.existsSync(path + CONTENT);
      if (isTaken) throw new S3Error(412, 'PreconditionFailed');
      fs.mkdirSync(dirname(path + CONTENT), { recursive: true, mode: 0o700 });
      const metadata = Object.fromEntries(Object.entries(headers).filter(([name]) => METADATA.test(name)));
      const sidecar: Sidecar = { md5: etag, size, mtimeMs, metadata };
      fs.writeFileSync(path + SIDECAR, JSON.stringify(sidecar), { mode: 0o600 });
      fs.renameSync(aside, path + CONTENT);
      return etag;
    } finally {
      await file.close();
      fs.rmSync(aside, { force: true });
    }
  }

  /** @throws S3Error if there is no such object. */
  describe(path: string): Sidecar {
    const stats = fs.statSync(path + CONTENT, { throwIfNoEntry: false });
    if (stats === undefined) throw new S3Error(404, 'NoSuchKey');
    const { size, mtimeMs } = stats;
    try {
      const sidecar = JSON.parse(fs.readFileSync(path + SIDECAR, 'utf8')) as Sidecar;
      if (sidecar.size === size && sidecar.mtimeMs === mtimeMs) return sidecar;
    } catch {
      // The sidecar is missing, or a crash has torn it.
    }
    const hash = createHash('md5').update(fs.readFileSync(path + CONTENT));
    return { md5: hash.digest('hex'), size, mtimeMs, metadata: {} };
  }

  /** An object's bytes from `start` to `end`, both included. The file is opened now: no later put mixes in. */
  read(path: string, start: number, end: number): fs.ReadStream {
    return fs.createReadStream('', { fd: fs.openSync(path + CONTENT, 'r'), start, end });
  }

  /** Deletes an object, if it is there, and the folders that become empty by that. */
  delete(bucket: string, key: string): void {
    const path = this.path(bucket, key);
    for (const end of [CONTENT, SIDECAR]) fs.rmSync(path + end, { force: true });
    try {
      for (let folder = dirname(path + CONTENT); folder !== this.folder(bucket); folder = dirname(folder))
        fs.rmdirSync(folder);
    } catch {
      // This folder is not empty, or is not there. Then those above it stay, too.
    }
  }
}

function assertDeclared(headers: IncomingHttpHeaders, name: string, right: string): void {
  if ([right, undefined, 'UNSIGNED-PAYLOAD'].includes(headers[name] as string | undefined)) return;
  throw new S3Error(400, name === 'x-amz-content-sha256' ? 'XAmzContentSHA256Mismatch' : 'BadDigest');
}

/** A string of one character per byte of UTF-8: JavaScript compares such strings as S3 orders keys. */
const toBytes = (text: string) => Buffer.from(text).toString('latin1');
const fromBytes = (bytes: string) => Buffer.from(bytes, 'latin1').toString();

/** A folder's keys after `after`, in S3's order. A folder in it counts as its name and a slash: `a-b`, `a/b`, `aa`. */
export function* listKeys(folder: string, prefix: string, after: string, base = ''): Generator<string> {
  const [top, wanted, start] = [toBytes(base), toBytes(prefix), toBytes(after)];
  const names = fs
    .readdirSync(join(folder, base), 'latin1')
    .map((file) => top + (file.endsWith(CONTENT) ? file.slice(0, -CONTENT.length) : `${file}/`))
    .filter((name) => !name.includes('._S3rver_') && (name.startsWith(wanted) || wanted.startsWith(name)))
    .filter((name) => name > start || start.startsWith(name));
  for (const name of names.sort()) {
    if (name.endsWith('/') && name !== top) yield* listKeys(folder, prefix, after, fromBytes(name));
    else if (name.startsWith(wanted) && name > start) yield fromBytes(name);
  }
}
