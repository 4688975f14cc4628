/**
 * The process that owns the embedded services of one home: `supervisor.ts HOME`, started by the first client. Its
 * control port is the lock: the kernel gives the port to one process and frees it when that process dies. Every
 * connection is a client that needs the services; the kernel closes it when the client dies, also by SIGKILL. After the
 * last connection has closed, the services stop and this process ends.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { messageOf } from '../errors.js';
import { greetClient, type Needs } from './channel.js';
import { startPostgres, type RunningPostgres } from './postgres/server.js';
import { startS3 } from './s3/server.js';
import { loadState } from './state.js';

/** So that commands which run one after the other find the services still running. */
const GRACE_MS = 1500;
/** How long the supervisor waits for its first client, which may have died. */
const FIRST_CLIENT_MS = 15_000;

const home = process.argv[2] ?? '';
const log = (text: string) => console.error(`${new Date().toISOString()} supervisor ${process.pid}: ${text}`);

process.umask(0o022); // the database's user must reach the files; secret ones are made with a mode of their own
const state = await loadState(home);
const clients = new Set<Socket>();
let postgres: Service<RunningPostgres> | undefined;
let s3: Service<{ stop(): Promise<void> }> | undefined;
let stopping: Promise<void> | undefined;

/** A service from its first request on; `running` once it is ready. */
interface Service<Running> {
  ready: Promise<Running>;
  running?: Running;
}

// A terminal's Ctrl-C and hang-up are meant for the clients.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('SIGTERM', () => void stop().then(() => process.exit(0)));

const server = createServer((socket) => void serve(socket));
server.listen({ port: state.controlPort, host: '127.0.0.1' });
try {
  await once(server, 'listening');
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
  process.exit(0); // another supervisor was faster, and the client will find it
}
setTimeout(() => void endIfUnused(), FIRST_CLIENT_MS);
log('started');

async function serve(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  const client = await greetClient(socket, state.token);
  if (client === undefined || socket.destroyed) {
    socket.destroy();
    return;
  }
  clients.add(socket);
  socket.once('close', () => {
    clients.delete(socket);
    setTimeout(() => void endIfUnused(), GRACE_MS);
  });
  try {
    client.answer({ notes: await provide(client.needs) });
  } catch (error) {
    log(`failed: ${messageOf(error)}`);
    client.answer({ error: messageOf(error) });
    socket.end();
  }
}

/** Starts the needed services that do not run yet; returns notes for the user. */
async function provide(needs: Needs): Promise<string[]> {
  await stopping;
  if (needs.postgres)
    postgres ??= start('PostgreSQL', startPostgres(home, state).then(watch), () => (postgres = undefined));
  if (needs.s3) s3 ??= start('S3', startS3(home, state), () => (s3 = undefined));
  const [database] = await Promise.all([
    needs.postgres ? postgres?.ready : undefined,
    needs.s3 ? s3?.ready : undefined,
  ]);
  return database?.notes ?? [];
}

function start<Running>(name: string, ready: Promise<Running>, forget: () => void): Service<Running> {
  const service: Service<Running> = { ready };
  ready.then((running) => {
    service.running = running;
    log(`${name} is ready`);
  }, forget); // the next client tries again
  return service;
}

/** Ends this process when PostgreSQL dies: the clients start another supervisor, which recovers the database. */
function watch(running: RunningPostgres): RunningPostgres {
  void running.ended.then((result) => {
    if (stopping) return;
    log(`PostgreSQL ended (${result})`);
    process.exit(1);
  });
  return running;
}

async function endIfUnused(): Promise<void> {
  if (clients.size > 0 || stopping) return;
  await stop();
  if (clients.size === 0) process.exit(0);
  // A client came during the stop: `provide` waits for `stopping` and starts the services again.
}

/** Stops the services. One that is still starting ends with this process: see `spawnBound`. */
async function stop(): Promise<void> {
  log('stopping');
  if ([postgres, s3].some((service) => service && !service.running)) process.exit(0);
  stopping = Promise.all([postgres?.running?.stop(), s3?.running?.stop()]).then(() => {
    [postgres, s3, stopping] = [undefined, undefined, undefined];
  });
  await stopping;
}
