import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UserError, messageOf } from '../errors.js';
import { type Logger } from '../log.js';
import { childEnvironment } from './postgres/account.js';
import { greetSupervisor, type Answer, type Needs } from './channel.js';
import { portTaken } from './ports.js';
import { BUCKET, loadState, readState, stateFile, unusable, type EmbeddedState } from './state.js';

export interface EmbeddedServices {
  databaseUrl?: string;
  s3?: { endpoint: string; accessKeyId: string; secretAccessKey: string; region: string; bucket: string };
  /** This process needs the services no longer. They stop soon after the last process has released them or ended. */
  release(): Promise<void>;
}

interface Attachment {
  socket: Socket;
  notes: string[];
}

/** How long a supervisor may take to start on a busy machine. Its services may take longer. */
const SUPERVISOR_MS = 30_000;

/**
 * Starts the embedded services of this home unless they run, and keeps them running until `release` or the end of this
 * process. The first start takes some seconds. If their supervisor dies, this function starts another one, with the
 * same addresses and passwords.
 * @throws UserError when the services cannot start: the reason, and what to do.
 */
export async function useEmbedded(home: string, needs: Needs, log?: Logger): Promise<EmbeddedServices> {
  const folder = resolve(home);
  const state = await loadState(folder);
  const { socket, notes } = await attach(folder, state, needs, log);
  for (const note of notes) log?.info(note);

  let current = socket;
  let isReleased = false;
  const keep = async (): Promise<void> => {
    current.unref(); // the connection must not keep this process alive
    await once(current, 'close');
    if (isReleased) return;
    log?.warn('The embedded services ended unexpectedly; starting them again');
    for (let delay = 100; !isReleased; delay = Math.min(2 * delay, 5000)) {
      try {
        current = (await attach(folder, state, needs, undefined)).socket;
        log?.info('The embedded services are back');
        if (isReleased) current.destroy();
        return await keep();
      } catch (error) {
        log?.debug({ reason: messageOf(error) }, 'the embedded services are not back yet');
        await sleep(delay, undefined, { ref: false });
      }
    }
  };
  void keep();

  const { databaseUrl, s3 } = addressesOf(state);
  return {
    ...(needs.postgres && { databaseUrl }),
    ...(needs.s3 && { s3 }),
    async release() {
      isReleased = true;
      if (current.destroyed) return;
      const closed = once(current, 'close');
      current.destroy();
      await closed;
    },
  };
}

/** For messages. */
const nameOf = ({ postgres, s3 }: Needs) =>
  `the embedded ${[postgres && 'PostgreSQL', s3 && 'S3 server'].filter(Boolean).join(' and ')}`;

function addressesOf(state: EmbeddedState) {
  return {
    databaseUrl: `postgres://bankpulse:${state.databasePassword}@127.0.0.1:${state.postgresPort}/bankpulse`,
    s3: {
      endpoint: `http://127.0.0.1:${state.s3Port}`,
      accessKeyId: state.accessKeyId,
      secretAccessKey: state.secretAccessKey,
      region: 'us-east-1',
      bucket: BUCKET,
    },
  };
}

/**
 * Where the services of this home are that run at the moment. Starts none, makes nothing, and keeps none running.
 * @throws UserError when the file of the home's ports cannot be read.
 */
export async function findEmbedded(home: string): Promise<Omit<EmbeddedServices, 'release'>> {
  const state = readState(stateFile(resolve(home)));
  if (!state) return {};
  const { databaseUrl, s3 } = addressesOf(state);
  const isUp = async (port: number) => {
    const socket = await dial(port);
    socket?.destroy();
    return socket !== undefined;
  };
  return {
    ...((await isUp(state.postgresPort)) && { databaseUrl }),
    ...((await isUp(state.s3Port)) && { s3 }),
  };
}

/** Connects to the supervisor, after starting one if none runs, and waits until the needed services run. */
async function attach(home: string, state: EmbeddedState, needs: Needs, log?: Logger): Promise<Attachment> {
  const deadline = Date.now() + SUPERVISOR_MS;
  let child: ChildProcess | undefined;
  let isStrange = false;
  while (Date.now() < deadline) {
    const socket = await dial(state.controlPort);
    if (socket !== undefined) {
      const messages = await greetSupervisor(socket, state.token, needs);
      if (messages === 'stranger') throw portTaken(home, 'controlPort', state.controlPort);
      const slow = setTimeout(() => {
        if (!child) log?.info(`starting ${nameOf(needs)} ...`);
      }, 500);
      const answer = (await messages?.receive()) as Answer | undefined;
      clearTimeout(slow);
      if (answer && 'notes' in answer) return { socket, notes: answer.notes };
      socket.destroy();
      if (answer) throw new UserError(answer.error);
      isStrange = messages === undefined; // or it is a supervisor that is ending: try again
    } else if (child === undefined || child.exitCode === 0 || child.signalCode !== null) {
      if (!child) log?.info(`starting ${nameOf(needs)}; this takes some seconds`);
      child = spawnSupervisor(home); // code 0: another supervisor was faster, and has ended since
    } else if (child.exitCode !== null) {
      throw new UserError(`The supervisor of the embedded services ended. ${logOf(home)}`);
    }
    await sleep(50);
  }
  if (isStrange) throw portTaken(home, 'controlPort', state.controlPort);
  throw new UserError(`The supervisor of the embedded services does not answer. ${logOf(home)}`);
}

/** A connection to the program that listens on the port; undefined when none does. */
async function dial(port: number): Promise<Socket | undefined> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    socket.on('error', () => undefined); // 'close' follows, and callers wait for that
    return socket;
  } catch {
    return undefined;
  }
}

const logFile = (home: string) => join(home, 'supervisor.log');

function spawnSupervisor(home: string): ChildProcess {
  const [launcher, program] = ['../run.cjs', 'supervisor.ts'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const output = openLog(logFile(home));
  const child = spawn(process.execPath, [launcher!, program!, home], {
    detached: true, // neither Ctrl-C nor the end of this process group reaches it
    stdio: ['ignore', output, output],
    cwd: '/',
    env: childEnvironment,
  });
  closeSync(output);
  child.on('error', () => undefined); // `attach` reports a supervisor that does not answer
  child.unref();
  return child;
}

/** @throws UserError if it cannot be written. */
function openLog(file: string): number {
  try {
    return openSync(file, 'a', 0o600);
  } catch (error) {
    throw unusable(file, error);
  }
}

function logOf(home: string): string {
  const lines = readFileSync(logFile(home), 'utf8').trim().split('\n').slice(-3);
  return `Its log, ${logFile(home)}, says: ${lines.join(' | ')}`;
}
