import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a server of PostgreSQL says that refuses a session, with this SQLSTATE. */
export function fatal(sqlState: string, text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

/**
 * Stands between a client and PostgreSQL. Frozen, it keeps every connection open and passes nothing on. With a `refusal`
 * it ends every session, and answers each new one with that.
 */
export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  #isFrozen = false;
  #refusal: Buffer | undefined;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(target: { host: string; port: number }): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TcpProxy(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => {
      if (proxy.#refusal === undefined) proxy.#join(client, connect(target));
      else proxy.#refuse(client, proxy.#refusal);
    });
    return proxy;
  }

  #refuse(client: Socket, refusal: Buffer): void {
    // its first message asks for the session
    client.on('error', () => undefined).once('data', () => client.end(refusal));
  }

  #join(client: Socket, upstream: Socket): void {
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.on('data', (bytes) => to.write(bytes));
      if (this.#isFrozen) from.pause();
    }
  }

  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#sockets) socket.pause();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** From now on; undefined: sessions are granted again. */
  refuse(refusal: Buffer | undefined): void {
    this.#refusal = refusal;
    if (refusal !== undefined) for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
