import { timingSafeEqual } from 'node:crypto';
import { type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** The services that a client asks for, and the supervisor's answer once they run or have failed. */
export interface Needs {
  postgres: boolean;
  s3: boolean;
}
export type Answer = { notes: string[] } | { error: string };

export interface Client {
  needs: Needs;
  answer(answer: Answer): void;
}

const GREETING_MS = 10_000;

/** JSON messages, one a line. */
export class Messages {
  private readonly lines: { next(): Promise<IteratorResult<string, undefined>> };

  constructor(private readonly socket: Socket) {
    const reader = createInterface({ input: socket });
    socket.once('close', () => reader.close()); // a destroyed socket has no 'end'
    this.lines = reader[Symbol.asyncIterator]();
  }

  send(message: object): void {
    this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /**
   * The next message; undefined at the end of the connection, however it ended.
   * @throws SyntaxError when the other side does not speak JSON.
   */
  async receive(): Promise<Record<string, unknown> | null | undefined> {
    const line = await this.lines.next().catch(() => undefined);
    return line === undefined || line.done
      ? undefined
      : (JSON.parse(line.value) as Record<string, unknown> | null);
  }
}

/**
 * The client's side of the greeting: it sends the token of the state file and its needs, and the supervisor accepts
 * at once, before it starts the services. Undefined when the other side has closed the connection.
 */
export async function greetSupervisor(
  socket: Socket,
  token: string,
  needs: Needs,
): Promise<Messages | 'stranger' | undefined> {
  return withDeadline<Messages | 'stranger' | undefined>(socket, 'stranger', async () => {
    const messages = new Messages(socket);
    messages.send({ token, needs });
    const reply = await messages.receive();
    if (reply === undefined) return undefined;
    return reply?.isAccepted === true ? messages : 'stranger';
  });
}

/** The supervisor's side: the client's needs and the way to answer it; undefined for one without the token. */
export async function greetClient(socket: Socket, token: string): Promise<Client | undefined> {
  return withDeadline<Client | undefined>(socket, undefined, async () => {
    const messages = new Messages(socket);
    const greeting = await messages.receive();
    if (!isSame(token, String(greeting?.token))) return undefined;
    messages.send({ isAccepted: true });
    const { postgres, s3 } = (greeting?.needs ?? {}) as Partial<Needs>;
    return {
      needs: { postgres: postgres === true, s3: s3 === true },
      answer: (answer) => messages.send(answer),
    };
  });
}

function isSame(right: string, given: string): boolean {
  const [one, other] = [Buffer.from(right), Buffer.from(given)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Runs a greeting and closes the connection if it takes too long; `otherwise` when the other side speaks no JSON. */
async function withDeadline<Result>(
  socket: Socket,
  otherwise: Result,
  greeting: () => Promise<Result>,
): Promise<Result> {
  const timer = setTimeout(() => socket.destroy(), GREETING_MS);
  try {
    return await greeting();
  } catch {
    return otherwise;
  } finally {
    clearTimeout(timer);
  }
}
