import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** What a client asks for, and what the supervisor answers once it is there. */
export interface Needs {
  postgres: boolean;
  s3: boolean;
}
export type Answer = { notes: string[] } | { error: string };

export interface Client {
  needs: Needs;
  answer(answer: Answer): void;
}

const HANDSHAKE_MS = 10_000;

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
   * @throws SyntaxError when the other side speaks something else.
   */
  async receive(): Promise<Record<string, unknown> | null | undefined> {
    const line = await this.lines.next().catch(() => undefined);
    return line === undefined || line.done
      ? undefined
      : (JSON.parse(line.value) as Record<string, unknown> | null);
  }
}

const proof = (token: string, side: string, nonce: unknown) =>
  createHmac('sha256', token)
    .update(`${side} ${String(nonce)}`)
    .digest('hex');

function isProof(token: string, side: string, nonce: string, given: unknown): boolean {
  const right = Buffer.from(proof(token, side, nonce));
  const other = Buffer.from(String(given));
  return right.length === other.length && timingSafeEqual(right, other);
}

/**
 * The client's side of the handshake: both prove that they can read the state file, neither shows what it holds.
 * Undefined when the other side has gone.
 */
export async function greetSupervisor(
  socket: Socket,
  token: string,
  needs: Needs,
): Promise<Messages | 'stranger' | undefined> {
  const nonce = randomBytes(16).toString('hex');
  return withDeadline<Messages | 'stranger' | undefined>(socket, 'stranger', async () => {
    const messages = new Messages(socket);
    messages.send({ nonce });
    const hello = await messages.receive();
    if (hello === undefined) return undefined;
    if (!isProof(token, 'supervisor', nonce, hello?.proof)) return 'stranger';
    messages.send({ proof: proof(token, 'client', hello?.nonce), needs });
    return messages;
  });
}

/** The supervisor's side: what the client needs, and the way to answer it; undefined for strangers. */
export async function greetClient(socket: Socket, token: string): Promise<Client | undefined> {
  const nonce = randomBytes(16).toString('hex');
  return withDeadline<Client | undefined>(socket, undefined, async () => {
    const messages = new Messages(socket);
    const hello = await messages.receive();
    messages.send({ nonce, proof: proof(token, 'supervisor', hello?.nonce) });
    const reply = await messages.receive();
    if (!isProof(token, 'client', nonce, reply?.proof)) return undefined;
    const { postgres, s3 } = (reply?.needs ?? {}) as Partial<Needs>;
    return {
      needs: { postgres: postgres === true, s3: s3 === true },
      answer: (answer) => messages.send(answer),
    };
  });
}

/** Runs a handshake, whose connection ends when it takes too long; `otherwise` when the other side speaks no JSON. */
async function withDeadline<Result>(
  socket: Socket,
  otherwise: Result,
  handshake: () => Promise<Result>,
): Promise<Result> {
  const timer = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
  try {
    return await handshake();
  } catch {
    return otherwise;
  } finally {
    clearTimeout(timer);
  }
}
