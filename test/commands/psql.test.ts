import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { PASSWORD, useDatabase, withRole } from '../support/database.js';
import { Command, expectRefusal, run, runProcess, runPsql } from '../support/process.js';

describe('npm run psql', function () {
  let folder: string;
  const started: Command[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  afterEach(async () => {
    for (const command of started.splice(0)) await command.kill();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function start(args: readonly string[], env: Record<string, string>): Command {
    const command = Command.start(args, env);
    started.push(command);
    return command;
  }

  describe('where it is on PATH', () => {
    const database = useDatabase('empty');

    before(function () {
      const places = (process.env.PATH ?? '').split(':').map((place) => join(place, 'psql'));
      if (!places.some((place) => existsSync(place))) {
        process.stderr.write('      not tested: psql is not on PATH\n');
        this.skip();
      }
    });

    /** Waits for the role's `pg_sleep`. @returns the process that serves it. */
    async function sleepingSession(command: Command, role: string): Promise<number> {
      for (;;) {
        if (command.child.exitCode !== null) expect.fail(`it ended: ${command.stderr}`);
        const { rows } = await database().client.query<{ pid: number }>(
          'select pid from pg_stat_activity where query = $1 and usename = $2',
          ['select pg_sleep(100)', role],
        );
        if (rows[0]) return rows[0].pid;
        await sleep(20);
      }
    }

    it('runs on the configured database, with the schema on its search path', async () => {
      await withRole(database(), 'superuser', async (url, role) => {
        const query = 'select current_database(), current_user, count(*) from patterns';
        const env = { DATABASE_URL: url };
        const { code, stdout } = await runProcess(['psql', '-X', '-A', '-t', '-c', query], env);
        expect({ code, stdout }).to.deep.equal({ code: 0, stdout: `${database().name}|${role}|3\n` });
      });
    });

    it('goes to the configured server, whatever libpq finds in the environment', async () => {
      const services = join(folder, 'services');
      await writeFile(services, '[other]\nhost=127.0.0.1\nport=1\ndbname=other\n');
      await withRole(database(), '', async (url) => {
        const detours = { PGSERVICEFILE: services, PGSERVICE: 'other', PGHOSTADDR: '127.0.0.2', PGPORT: '1' };
        const query = 'select current_database()';
        const { code, stdout } = await runPsql(['-X', '-A', '-t', '-c', query], {
          DATABASE_URL: url,
          ...detours,
        });
        expect({ code, stdout }).to.deep.equal({ code: 0, stdout: `${database().name}\n` });
      });
    });

    it('has the password for this server alone, and leaves none behind when the terminal is closed', async () => {
      await withRole(database(), '', async (url, role) => {
        const command = start(['psql', '-X', '-c', 'select pg_sleep(100)'], {
          DATABASE_URL: url,
          TMPDIR: folder,
        });
        await sleepingSession(command, role);
        const passFolders = () => readdirSync(folder).filter((name) => name.startsWith('bankpulse-psql-'));
        const [passFolder, ...others] = passFolders();
        const { hostname, port } = new URL(url);
        const passLines = (await readFile(join(folder, passFolder!, 'pgpass'), 'utf8')).trim().split('\n');
        expect(passLines.map((line) => line.slice(0, line.indexOf(role)))).to.deep.equal([
          `${hostname}:${port}:*:`,
        ]);
        expect(others).to.deep.equal([]);
        command.child.kill('SIGHUP');
        await command.ended;
        expect(passFolders()).to.deep.equal([]);
      });
    });

    it('shows the password in no arguments of any process, and ends with the code of psql', async function () {
      if (!existsSync('/proc/self/cmdline')) {
        process.stderr.write('      not tested: there is no /proc to look at processes with\n');
        this.skip();
      }
      const { client } = database();
      await withRole(database(), '', async (url, role) => {
        const command = start(['psql', '-X', '-c', 'select pg_sleep(100)'], { DATABASE_URL: url });
        const pid = await sleepingSession(command, role);
        const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
        const commandLines = await Promise.all(
          processes.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')),
        );
        expect(commandLines.filter((line) => line.includes('pg_sleep(100)')).length).to.be.at.least(2); // ours, psql
        expect(commandLines.filter((line) => line.includes(PASSWORD))).to.deep.equal([]);
        await client.query('select pg_cancel_backend($1)', [pid]);
        const { code, stderr } = await command.ended;
        expect(stderr).to.match(/canceling statement/);
        expect(code).to.equal(1);
      });
    });
  });

  it('says how to get it where it is missing', async () => {
    expectRefusal(
      await run(['psql'], { DATABASE_URL: 'postgres://nobody:secret@127.0.0.1:1/nothing', PATH: folder }),
      /psql was not found on PATH; install/,
    );
  });
});
