import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';

/** Bytes that belong together, and what they are, if it is one of the steps somebody may wait for. */
export interface Piece {
  bytes: Buffer;
  step?: string | undefined;
}

/** Understands one connection's bytes well enough to tell steps; one per connection. */
export interface Reader {
  fromClient(data: Buffer): Piece[];
  fromServer(data: Buffer): Piece[];
  /** What has passed so far, such as `commit asked`. */
  readonly state: string;
  /** A piece that was not held has gone on. */
  passed(step: string): void;
}

interface Aim {
  step: string;
  /** Which occurrence, from 1. */
  nth: number;
  /** Whether the piece itself goes on before the gate shuts. */
  isForwarded: boolean;
  onHit: () => void;
}

interface Session {
  reader: Reader;
  client: Socket;
  server: Socket;
  /** What came while the gate was shut, in order. */
  held: { step: string | undefined; pass: () => void }[];
}

/**
 * A TCP proxy on loopback in front of a server. It sees what passes, and can shut at a chosen step: from then on nothing
 * passes in either direction, as when a process is stopped or a line is dead. What was held when the client's process
 * dies never reaches the server.
 */
export class Gate {
  readonly #sessions = new Set<Session>();
  #isShut = false;
  #aim: Aim | undefined;

  private constructor(private readonly server: Server) {}

  static async open(upstream: { host: string; port: number }, newReader: () => Reader): Promise<Gate> {
    const server = createServer();
    const gate = new Gate(server);
    server.on('connection', (client) => gate.#join(client, connect(upstream), newReader()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return gate;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Of each open connection the last step that passed; and if something is held, `, held` and what came first. */
  get states(): string[] {
    return [...this.#sessions].map(({ reader, held }) =>
      held[0] ? `${reader.state}, held ${held[0].step ?? 'bytes'}` : reader.state,
    );
  }

  /** Our ends of the connections to the server: its clients' ports, as it sees them. */
  get ports(): number[] {
    return [...this.#sessions].flatMap(({ server }) => server.localPort ?? []);
  }

  /** Resolves when the step has come for the nth time; the gate is shut then, before the step passed or after it. */
  aim(step: string, nth: number, isForwarded = false): Promise<void> {
    return new Promise((onHit) => (this.#aim = { step, nth, isForwarded, onHit }));
  }

  shut(): void {
    this.#aim = undefined;
    this.#isShut = true;
  }

  /** Lets pass what was held, in order, and all that follows. */
  reopen(): void {
    this.#isShut = false;
    for (const { held } of this.#sessions) for (const { pass } of held.splice(0)) pass();
  }

  close(): void {
    this.server.close();
    for (const { client, server } of this.#sessions) [client, server].forEach((socket) => socket.destroy());
  }

  #join(client: Socket, server: Socket, reader: Reader): void {
    const session: Session = { client, server, reader, held: [] };
    this.#sessions.add(session);
    const pipe = (from: Socket, to: Socket, read: (data: Buffer) => Piece[]) => {
      from.setNoDelay(true);
      from.on('data', (data) => read(data).forEach((piece) => this.#pass(session, to, piece)));
      from.on('error', () => undefined); // its end follows
      from.on('close', () => {
        this.#sessions.delete(session);
        if (this.#isShut) to.destroy();
        else to.end();
      });
    };
    pipe(client, server, (data) => reader.fromClient(data));
    pipe(server, client, (data) => reader.fromServer(data));
  }

  #pass(session: Session, to: Socket, { bytes, step }: Piece): void {
    const pass = () => {
      if (step !== undefined) session.reader.passed(step);
      to.write(bytes);
    };
    const aim = this.#aim;
    if (aim && step === aim.step && --aim.nth === 0) {
      this.shut();
      if (aim.isForwarded) pass();
      else session.held.push({ step, pass });
      aim.onHit();
    } else if (this.#isShut) session.held.push({ step, pass });
    else pass();
  }
}
