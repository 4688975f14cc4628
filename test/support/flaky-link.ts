import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import pg from 'pg';

/** A connection that waits before a text, see `holdAt`. */
export interface HeldConnection {
  /** Lets it go on. */
  release: () => void;
}

/** A way to the database that can be cut and mended, as a whole or for one connection. */
export class FlakyLink {
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  /** What is done to the next connection over which a text is sent, before it is passed on. */
  #ambush: { text: string; spring: (client: Socket, passOn: () => void) => void } | undefined;

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
    if (this.#isCut) {
      client.destroy();
      return;
    }
    database.pipe(client);
    client.on('data', (bytes: Buffer) => {
      const passOn = () => void database.write(bytes);
      const ambush = this.#ambush;
      if (!ambush || !bytes.includes(ambush.text)) {
        passOn();
        return;
      }
      this.#ambush = undefined;
      ambush.spring(client, passOn);
    });
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resets the next connection over which this text is sent; the database does not get it. */
  resetAt(text: string): void {
    this.#ambush = { text, spring: (client) => client.resetAndDestroy() };
  }

  /** Holds the next connection over which this text is sent, before the database gets it. */
  holdAt(text: string): Promise<HeldConnection> {
    return new Promise((resolve) => {
      this.#ambush = {
        text,
        spring: (client, passOn) => {
          client.pause();
          resolve({
            release: () => {
              passOn();
              client.resume();
            },
          });
        },
      };
    });
  }

  /** Whether what `resetAt` or `holdAt` waits for has not come. */
  get isArmed(): boolean {
    return this.#ambush !== undefined;
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
