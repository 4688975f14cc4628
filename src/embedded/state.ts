import { randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import getPort from 'get-port';
import type { output } from 'zod';
import { z } from '../environment/zod.js';
import { UserError, codeOf, messageOf } from '../errors.js';
import { isRoot } from './postgres/account.js';

const port = z.int().min(1).max(65535);
const secret = z.string().min(16);
const schema = z.object({
  controlPort: port,
  postgresPort: port,
  s3Port: port,
  databasePassword: secret,
  accessKeyId: secret,
  secretAccessKey: secret,
  token: secret,
});

/** The ports and secrets stay the same from start to start, so that URLs of the services stay valid. */
export type EmbeddedState = output<typeof schema>;

/** The bucket that the embedded S3 server makes when it starts. */
export const BUCKET = 'bankpulse';

/** The file of a home's ports and secrets. */
export const stateFile = (home: string) => join(home, 'embedded.json');

/**
 * Reads the state of this home, and makes it on first use.
 * @throws UserError when the file cannot be read or understood.
 */
export async function loadState(home: string): Promise<EmbeddedState> {
  const file = stateFile(home);
  if (/[\n\r]/.test(home))
    throw new UserError(
      'PostgreSQL takes no folder with a line break in its path: set BANKPULSE_HOME to another one.',
    );
  try {
    // Root's home can be entered, not listed: the database server runs as another user, and its files are inside.
    const mode = isRoot() ? 0o711 : 0o700;
    if (makeFolder(home, mode)) chmodSync(home, mode);
    const state = readState(file) ?? (await createState(file));
    accessSync(home, constants.W_OK);
    return state;
  } catch (error) {
    throw error instanceof UserError ? error : unusable(file, error);
  }
}

/** Makes a folder with those above it. Node's own way never ends where none can be made, as in /proc. @returns whether it did. */
function makeFolder(folder: string, mode: number): boolean {
  if (existsSync(folder)) return false;
  makeFolder(dirname(folder), mode);
  try {
    mkdirSync(folder, { mode });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false; // another process was faster
    throw error;
  }
}

/** The error for a file of the home that cannot be read or written. */
export function unusable(file: string, error: unknown): UserError {
  const { code, syscall } = error as NodeJS.ErrnoException;
  const isForeign = code === 'EACCES' || (code === 'EPERM' && syscall !== 'link'); // link: not every file system has them
  const advice = isForeign
    ? 'Run BankPulse as the user it belongs to, or set BANKPULSE_HOME to a folder of your own.'
    : 'Check the folder, or set BANKPULSE_HOME to another one.';
  return new UserError(`Cannot use ${file}: ${messageOf(error)}. ${advice}`);
}

/** Undefined if there is none. @throws UserError if it is damaged, and every error of reading it. */
export function readState(file: string): EmbeddedState | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new UserError(`${file} is damaged. Restore it; it holds the password of the embedded database.`);
  }
}

/** Writes the file aside and links it into place: of two processes at once one wins, and both read the same state. */
async function createState(file: string): Promise<EmbeddedState> {
  const random = (bytes: number) => randomBytes(bytes).toString('hex');
  const state: EmbeddedState = {
    controlPort: await choosePort(),
    postgresPort: await choosePort(),
    s3Port: await choosePort(),
    databasePassword: random(24),
    accessKeyId: random(10).toUpperCase(),
    secretAccessKey: random(20),
    token: random(32),
  };
  const aside = `${file}.${random(6)}`;
  try {
    writeFileSync(aside, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    linkSync(aside, file);
    return state;
  } catch (error) {
    const other = (error as NodeJS.ErrnoException).code === 'EEXIST' ? readState(file) : undefined;
    if (other === undefined) throw error;
    return other;
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * A free port below the ephemeral range, so that no outgoing connection takes it between two starts. It is chosen at
 * random, because two homes that are set up at the same time must not choose the same one.
 */
export function choosePort(): Promise<number> {
  const candidates = Array.from({ length: 50 }, () => 20_000 + (randomBytes(4).readUInt32BE() % 12_000));
  return getPort({ port: candidates, host: '127.0.0.1', reserve: true });
}
