import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import pg from 'pg';

/** A way to the database that can be cut and mended, as a whole or for one connection. */
export class FlakyLink {
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  /** The connection over which this text is sent is reset. */
  #fatalText: string | undefined;

  private constructor(
    private readonly server: Server,
    readonly config: pg.ClientConfig,
  ) {}

  static async open(target: pg.ClientConfig): Promise<FlakyLink> {
    const { host, port, user, password, database } = new pg.Client(target);
    const server = createServer((client) => link.#join(client, connect(port, host)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: own } = server.address() as AddressInfo;
    const config = { host: '127.0.0.1', port: own, user, database, ...(password ? { password } : {}) };
    const link: FlakyLink = new FlakyLink(server, config);
    return link;
  }

  #join(client: Socket, database: Socket): void {
    for (const socket of [client, database]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        database.destroy();
      });
    }
    client.on('data', (bytes: Buffer) => {
      if (this.#fatalText === undefined || !bytes.includes(this.#fatalText)) return;
      this.#fatalText = undefined;
      client.resetAndDestroy();
    });
    if (this.#isCut) client.destroy();
    else client.pipe(database).pipe(client);
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resets the next connection over which this text is sent to the database. */
  resetAt(text: string): void {
    this.#fatalText = text;
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }
}
