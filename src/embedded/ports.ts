import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../errors.js';
import { stateFile, type EmbeddedState } from './state.js';

type PortName = {
  [Name in keyof EmbeddedState]: EmbeddedState[Name] extends number ? Name : never;
}[keyof EmbeddedState];

/** The error for a port of this home that another program has taken. */
export function portTaken(home: string, name: PortName, port: number): UserError {
  return new UserError(
    `Port ${port} of 127.0.0.1 is in use by another program; ${stateFile(home)} keeps it for BankPulse as ${name}. ` +
      'End that program, or write another free port there while BankPulse is not running.',
  );
}

/** How long a killed server may still hold its port: the kernel frees its memory before its sockets. */
const DYING_MS = 3000;

/** @throws UserError when another program keeps listening on the port. */
export async function assertPortFree(home: string, name: PortName, port: number): Promise<void> {
  for (const deadline = Date.now() + DYING_MS; !(await isFree(port)); await sleep(50)) {
    if (Date.now() > deadline) throw portTaken(home, name, port);
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: '127.0.0.1' });
    await once(server, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    if (server.listening) await new Promise((done) => server.close(done));
  }
}
