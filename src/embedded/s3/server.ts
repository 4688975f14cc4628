import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { codeOf, messageOf } from '../../errors.js';
import { assertPortFree } from '../ports.js';
import { BUCKET, type EmbeddedState } from '../state.js';
import { listObjects } from './listing.js';
import { ObjectFiles } from './object-files.js';
import { authenticate } from './signature.js';
import { S3Error, elements } from './xml.js';

/** Starts the S3 server of this home; its objects are files under `home/s3`. */
export async function startS3(home: string, state: EmbeddedState): Promise<{ stop(): Promise<void> }> {
  const files = new ObjectFiles(`${home}/s3`);
  files.folder(BUCKET, true);
  const server = createServer((req, res) => void answer(files, state, req, res));
  // Longer than clients keep idle connections: else they may write into one that is being closed.
  server.keepAliveTimeout = 120_000;
  await assertPortFree(home, 's3Port', state.s3Port);
  server.listen({ port: state.s3Port, host: '127.0.0.1' });
  await once(server, 'listening');
  return {
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

type Target = { bucket: string; key: string; query: Record<string, string> };
type Call = Target & { files: ObjectFiles; req: IncomingMessage; res: ServerResponse };
type Body = Readable | string | void;

/** The parameters and headers that the server understands, as `name=value`: always, and for some verbs. */
const BASE = /^(x-id|x-amz-(date|content-sha256|sdk-checksum-algorithm|user-agent))=|^content-length=0$/;
const LIST = /^(list-type|prefix|delimiter|start-after|marker|continuation-token|max-keys|encoding-type)=/;
const GET = /^(if-match|x-amz-checksum-mode)=|^range=bytes=\d+-\d*$/;
const PUT =
  /^(content-length|x-amz-checksum-crc32|x-amz-meta-.*)=|^if-none-match=\*$|^x-amz-(acl=private|storage-class=STANDARD)$/;
/** The headers that it must understand; others do not change what a request means. */
const STRICT_HEADERS = /^(x-amz-.*|if-.*|range|content-length|transfer-encoding)$/;

/** What the server does; it refuses everything else. */
const VERBS: Record<string, [understood: RegExp, run: (call: Call) => Body | Promise<Body>]> = {
  'PUT bucket': [BASE, ({ files, bucket }) => void files.folder(bucket, true)],
  'HEAD bucket': [BASE, ({ files, bucket }) => void files.folder(bucket)],
  'GET bucket': [LIST, ({ files, bucket, query }) => listObjects(files, bucket, query)],
  'PUT object': [PUT, putObject],
  'GET object': [GET, getObject],
  'HEAD object': [GET, getObject],
  'DELETE object': [BASE, ({ files, bucket, key }) => files.delete(bucket, key)],
};

async function answer(files: ObjectFiles, state: EmbeddedState, req: IncomingMessage, res: ServerResponse) {
  try {
    res.setHeader('content-type', 'application/xml');
    const { path, query } = await authenticate(req, state);
    const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(path) ?? [];
    const verb = `${req.method} ${key ? 'object' : bucket ? 'bucket' : 'service'}`;
    const [understood, run] = VERBS[verb] ?? [BASE];
    const headers = Object.entries(req.headers).filter(([name]) => STRICT_HEADERS.test(name));
    const said = [...Object.entries(query), ...headers].map(([name, value]) => `${name}=${String(value)}`);
    const unknown = said.find((each) => !BASE.test(each) && !understood.test(each))?.split('=')[0];
    if (run === undefined || unknown !== undefined) throw new S3Error(501, 'NotImplemented', unknown ?? verb);
    res.statusCode = req.method === 'DELETE' ? 204 : 200;
    const body = await run({ files, req, res, bucket, key, query });
    if (typeof body === 'object') await pipeline(body, res);
    else res.end(body);
  } catch (error) {
    if (['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(codeOf(error) ?? '')) return; // the client has gone
    const known = error instanceof URIError ? new S3Error(400, 'InvalidURI') : error;
    const { status, code, message } = known instanceof S3Error ? known : new S3Error(500, 'InternalError');
    if (status === 500) console.error(`${new Date().toISOString()} S3: ${messageOf(error)}`);
    if (res.headersSent) return void res.destroy();
    // A client that still sends must not meet an answer: it may see a broken pipe instead.
    await finished(req.resume()).catch(() => undefined);
    res.writeHead(status).end(`<Error>${elements({ Code: code, Message: message })}</Error>`);
  }
}

async function putObject({ files, req, res, bucket, key }: Call): Promise<void> {
  const body: AsyncIterable<Buffer> = req.iterator({ destroyOnReturn: false }); // the connection is needed for the answer
  const md5 = await files.put(files.path(bucket, key), body, req.headers);
  res.setHeader('etag', `"${md5}"`);
}

function getObject({ files, req, res, bucket, key }: Call): Body {
  const path = files.path(bucket, key);
  const { md5, size, mtimeMs, metadata } = files.describe(path);
  const etag = `"${md5}"`;
  const { range, 'if-match': condition = etag } = req.headers;
  if (condition !== etag) throw new S3Error(412, 'PreconditionFailed');
  const [, first, last] = /(\d+)-(\d*)/.exec(range ?? '0-') ?? [];
  const [start, end] = [Number(first), Math.min(Number(last || Infinity), size - 1)];
  if (range !== undefined && start > end) throw new S3Error(416, 'InvalidRange');
  const body = req.method === 'GET' && size > 0 ? files.read(path, start, end) : undefined;
  res.writeHead(range === undefined ? 200 : 206, {
    'content-type': 'binary/octet-stream',
    ...metadata,
    ...(range !== undefined && { 'content-range': `bytes ${start}-${end}/${size}` }),
    'content-length': end - start + 1,
    'last-modified': new Date(mtimeMs).toUTCString(),
    etag,
  });
  return body;
}
