import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { choosePort } from '../../src/embedded/state.js';

const methods = ['GET', 'PUT', 'HEAD', 'DELETE', 'POST'] as const;

/** What a client asks of the store. */
export interface StoreRequest {
  method: (typeof methods)[number] | 'LIST' | 'OTHER';
  /** Without the bucket; of a listing its prefix. */
  key: string;
  /** How often the same has been asked, from 1. */
  nth: number;
}

/** One request on its way. A fault answers the client itself, or lets the request through and meddles with the answer. */
export interface Exchange extends StoreRequest {
  req: IncomingMessage;
  res: ServerResponse;
  /** Sends the request on to the real server; its answer, whose body is still to be read. */
  forward: () => Promise<IncomingMessage>;
  /** Hands an answer to the client, each block of its body by way of `change`. */
  relay: (
    answer: IncomingMessage,
    change?: (block: Buffer, at: number) => Promise<Buffer> | Buffer,
  ) => Promise<void>;
}

export type Fault = (exchange: Exchange) => Promise<void> | void;
/** Which fault a request meets; undefined: none. */
export type Rule = (request: StoreRequest) => Fault | undefined;

/**
 * Stands in front of a real S3 server and does to requests and answers whatever `rule` says. Requests are sent on with
 * the headers they came with: the signature covers the Host the client used, which is ours.
 */
export class FaultProxy {
  rule: Rule = () => undefined;
  /** How many requests met a fault. */
  injected = 0;
  /** Told of each block of an object's body that was handed to the client. */
  onDelivered: (key: string, bytes: number) => void = () => undefined;
  readonly #asked = new Map<string, number>();
  readonly #server: Server;

  private constructor(
    private readonly target: URL,
    private readonly port: number,
  ) {
    this.#server = createServer((req, res) => {
      // a client that goes away, a server that does: the other side is told by a broken connection
      this.#serve(req, res).catch(() => res.destroy());
    });
    this.#server.keepAliveTimeout = 120_000;
  }

  static async start(endpoint: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(endpoint), await choosePort());
    await proxy.comeBack();
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** From now on connections are refused, and those there are broken. */
  async goAway(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Takes connections again, at the same port. */
  async comeBack(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.goAway();
  }

  /** Forgets rules and counts, and is there. */
  async reset(): Promise<void> {
    if (!this.#server.listening) await this.comeBack();
    this.rule = () => undefined;
    this.injected = 0;
    this.onDelivered = () => undefined;
    this.#asked.clear();
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '/', this.target);
    const isListing = req.method === 'GET' && searchParams.has('list-type');
    const [, , ...path] = pathname.split('/');
    const key = isListing ? (searchParams.get('prefix') ?? '') : path.map(decodeURIComponent).join('/');
    const method: StoreRequest['method'] = isListing
      ? 'LIST'
      : (methods.find((name) => name === req.method) ?? 'OTHER');
    const id = `${method} ${key}`;
    const nth = (this.#asked.get(id) ?? 0) + 1;
    this.#asked.set(id, nth);

    const request = { method, key, nth };
    const exchange: Exchange = {
      ...request,
      req,
      res,
      forward: () => this.#forward(req),
      relay: async (answer, change = (block) => block) => {
        if (!res.headersSent) res.writeHead(answer.statusCode ?? 502, answer.headers);
        let at = 0;
        for await (const block of answer as AsyncIterable<Buffer>) {
          const changed = await change(block, at);
          at += block.length;
          if (request.method === 'GET') this.onDelivered(key, changed.length);
          if (!res.write(changed)) await room(res);
          if (res.destroyed) return void answer.destroy();
        }
        res.end();
      },
    };
    const fault = this.rule(request);
    if (fault) this.injected++;
    await (fault ?? pass)(exchange);
  }

  async #forward(req: IncomingMessage): Promise<IncomingMessage> {
    const onward = httpRequest({
      host: this.target.hostname,
      port: this.target.port,
      method: req.method,
      path: req.url,
      headers: req.headers,
      agent: false,
    });
    req.pipe(onward);
    const [answer] = (await once(onward, 'response')) as [IncomingMessage];
    return answer;
  }
}

/** Until more can be written, or there is nobody to write to. */
async function room(res: ServerResponse): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(res, 'drain', { signal }), once(res, 'close', { signal })]);
  over.abort();
}

const pass: Fault = async ({ forward, relay }) => relay(await forward());

/** The store's own refusal, with its name for it. */
export function answer(status: number, code: string): Fault {
  return ({ req, res }) => {
    req.resume().on('end', () => {
      const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`;
      res.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length });
      res.end(req.method === 'HEAD' ? undefined : body);
    });
  };
}

/** What something between us and the store says. */
export const badGateway: Fault = ({ req, res }) => {
  req.resume().on('end', () => {
    res.writeHead(502, { 'content-type': 'text/html' });
    res.end('<html><body>Bad Gateway<br></body></html>');
  });
};

/** A connection that is reset before anything was done. */
export const reset: Fault = ({ req }) => void req.socket.resetAndDestroy();

/** It is done, but nobody hears of it. */
export const loseAnswer: Fault = async ({ req, forward }) => {
  const lost = await forward();
  await once(lost.resume(), 'end');
  req.socket.resetAndDestroy();
};

/** Neither an answer nor an end. */
export const stall: Fault = ({ req }) => void req.resume();

/** An answer that comes after a while. */
export function delay(ms: number): Fault {
  return async (exchange) => {
    await sleep(ms);
    await pass(exchange);
  };
}

/** A body that stops in the middle, without an end. */
export function stallBodyAt(bytes: number): Fault {
  return async ({ res, forward, relay }) => {
    await relay(await forward(), async (block, at) => {
      if (at + block.length < bytes) return block;
      res.write(block.subarray(0, Math.max(0, bytes - at)));
      await once(res, 'close');
      return Buffer.alloc(0);
    });
  };
}

/** A body that comes in small pieces with pauses between, whole in the end. */
export function dribble(pieces: number, pauseMs: number): Fault {
  return async ({ res, forward, relay }) => {
    await relay(await forward(), async (block) => {
      const size = Math.ceil(block.length / pieces);
      for (let at = 0; at + size < block.length; at += size) {
        res.write(block.subarray(at, at + size));
        await sleep(pauseMs);
      }
      return block.subarray(Math.floor((block.length - 1) / size) * size);
    });
  };
}

/** A body that promised its whole length and breaks off. */
export function breakBodyAt(bytes: number): Fault {
  return async ({ res, forward, relay }) => {
    await relay(await forward(), async (block, at) => {
      if (at + block.length <= bytes) return block;
      await new Promise((done) => res.write(block.subarray(0, Math.max(0, bytes - at)), done));
      res.destroy();
      return Buffer.alloc(0);
    });
  };
}

/** A body of so many bytes in order, without its length, so that nothing tells that it is too short. */
export function endBodyAt(bytes: number): Fault {
  return async ({ res, forward }) => {
    const whole = await forward();
    const headers = { ...whole.headers };
    delete headers['content-length'];
    const content = await bytesOf(whole);
    res.writeHead(whole.statusCode ?? 502, { ...headers, 'transfer-encoding': 'chunked' });
    res.end(content.subarray(0, bytes));
  };
}

/** A body with another one of the same length in its place, under headers the right one came with. */
export function corruptBody(
  corrupt: (content: Buffer) => Buffer,
  headersOf: (content: Buffer) => object,
): Fault {
  return async ({ res, forward }) => {
    const whole = await forward();
    const content = await bytesOf(whole);
    res.writeHead(whole.statusCode ?? 502, { ...whole.headers, ...headersOf(content) });
    res.end(corrupt(Buffer.from(content)));
  };
}

async function bytesOf(answer: IncomingMessage): Promise<Buffer> {
  return Buffer.concat((await answer.toArray()) as Buffer[]);
}
