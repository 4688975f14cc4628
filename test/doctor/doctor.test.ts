import { existsSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { clockFinding } from '../../src/doctor/clock.js';
import { examineBucket } from '../../src/doctor/bucket-lines.js';
import { Examination, ok, toDo } from '../../src/doctor/examination.js';
import {
  PASSWORD,
  createTestDatabase,
  dropTestDatabase,
  useDatabase,
  withRole,
} from '../support/database.js';
import { OddStore, refuse, type Oddity } from '../support/odd-store.js';
import { run, type Ended } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

/** The lines of the table: what was tried, and what came of it. */
function linesOf(text: string): Map<string, string> {
  const lines = [...text.matchAll(/^ {2}(.+?) {2,}(ok|note|to do|not tried) {2,}(.*)$/gm)];
  return new Map(lines.map(([, name, result, words]) => [name!, `${result}: ${words}`]));
}
const resultsOf = (text: string, ...names: string[]) =>
  names.map((name) => linesOf(text).get(name)?.split(':')[0]);

const NEEDS_CONNECTION = [
  'version',
  'TLS',
  'encoding',
  'writing',
  'pooler',
  'connections',
  'schema',
  'rights',
];
const NEEDS_BUCKET = ['list DETECTIONS_PREFIX', 'put', 'get', 'conditional put', 'delete'];
const all = (names: readonly string[], result: string) => names.map(() => result);

describe('doctor', () => {
  const database = useDatabase('seeded');
  let folder: string;
  let s3: TestObjectStore;
  const environment = () => ({
    ...s3.env,
    DATABASE_URL: database().url,
    TRANSACTIONS_CSV: 'package.json',
    IMPORTANCE_CSV: 'package.json',
  });
  const doctor = (env: Record<string, string>): Promise<Ended> => run(['doctor', '--all'], env);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    s3 = await testObjectStore();
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('finds nothing to do where all is right, and leaves database and bucket as they were', async () => {
    const before = await database().client.query('select * from bankpulse.pipeline');
    const { code, stdout, stderr } = await doctor(environment());
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const wanted = [
      'connection',
      ...NEEDS_CONNECTION,
      'list CHUNKS_PREFIX',
      ...NEEDS_BUCKET,
      'clock',
      'owner',
    ];
    expect(resultsOf(stdout, ...wanted)).to.deep.equal(all(wanted, 'ok'));
    expect(stdout).to.match(/\nnothing to do\n$/);
    expect(linesOf(stdout).get('CHUNK_ROWS')).to.equal('ok: 10000 (default)');
    expect((await s3.store.listPage('')).objects).to.deep.equal([]);
    const after = await database().client.query('select * from bankpulse.pipeline');
    expect(after.rows).to.deep.equal(before.rows);
  });

  it('names every wrong and unknown setting, shows no secret, and tries what these do not concern', async () => {
    const { code, stdout } = await doctor({
      ...environment(),
      DB_PORT: PASSWORD,
      CHUNK_SIZE: '5',
      AWS_ENDPOINT_URL: 'http://user:secret@store.example',
      AWS_PROFILE: '',
    });
    expect(code).to.equal(1);
    const lines = linesOf(stdout);
    expect(lines.get('CHUNK_SIZE')).to.match(/^to do: is set and has no effect: is CHUNK_ROWS meant/);
    expect(stdout).to.match(/DB_PORT +to do +must be a whole number/);
    expect(lines.get('AWS_ENDPOINT_URL')).to.equal('ok: http://store.example');
    expect(lines.get('AWS_SECRET_ACCESS_KEY')).to.equal('ok: set (not shown)');
    expect(stdout).not.to.include('secret:').and.not.to.include('user:');
    expect(stdout).not.to.include(s3.env.AWS_SECRET_ACCESS_KEY!);
    expect(stdout).not.to.include(new URL(database().url).password || 'no password');
    expect(resultsOf(stdout, 'connection', ...NEEDS_CONNECTION)).to.deep.equal(
      all(['', ...NEEDS_CONNECTION], 'not tried'),
    );
    expect(resultsOf(stdout, 'put', 'delete', 'owner')).to.deep.equal(['ok', 'ok', 'not tried']);
  });

  it('shows what a person acts upon, unless all is asked for', async () => {
    const { stdout } = await run(['doctor'], {
      ...environment(),
      DATABASE_URL: 'postgres://u@127.0.0.1:1/d',
    });
    expect(stdout).not.to.match(/not set$|\(default\)$/m);
    expect(stdout).to.match(
      /^ {2}\d+ others +ok +not set, or as by default; npm run doctor -- --all shows each$/m,
    );
    expect(stdout).to.match(/^ {2}S3_BUCKET +ok /m);
    expect(stdout).to.match(/^ {2}version and 8 more +not tried +there is no connection$/m);
    expect(stdout).to.match(/\n1 thing to do, 10 not tried\n$/);
    expect(stdout.split('\n').length).to.be.below(40);
  });

  it('goes on with the bucket when the database cannot be reached, or does not answer', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const cases: [url: string, says: RegExp][] = [
      [
        'postgres://nobody:secret@127.0.0.1:1/nothing',
        /at 127\.0\.0\.1:1: .*; check that PostgreSQL runs there/,
      ],
      [`postgres://nobody:secret@127.0.0.1:${port}/x?connect_timeout=1`, /timeout/],
    ];
    for (const [url, says] of cases) {
      const { code, stdout } = await doctor({ ...environment(), DATABASE_URL: url });
      expect(code).to.equal(1);
      expect(linesOf(stdout).get('connection'))
        .to.match(/^to do/)
        .and.to.match(says);
      expect(resultsOf(stdout, ...NEEDS_CONNECTION)).to.deep.equal(all(NEEDS_CONNECTION, 'not tried'));
      expect(resultsOf(stdout, 'put', 'delete')).to.deep.equal(['ok', 'ok']);
      expect(stdout).not.to.include('secret');
    }
    silent.close();
  });

  it('goes on with the database when there is no such bucket', async () => {
    const { code, stdout } = await doctor({
      ...environment(),
      S3_BUCKET: 'bankpulse-test-that-is-not-there',
    });
    expect(code).to.equal(1);
    expect(linesOf(stdout).get('list CHUNKS_PREFIX')).to.match(/^to do: there is no bucket/);
    expect(resultsOf(stdout, ...NEEDS_BUCKET)).to.deep.equal(all(NEEDS_BUCKET, 'not tried'));
    expect(resultsOf(stdout, 'schema', 'rights', 'owner')).to.deep.equal(['ok', 'ok', 'not tried']);
  });

  it('tells what a role lacks that may only read', async () => {
    await withRole(database(), '', async (url, role) => {
      await database().client.query(`grant bankpulse_reader to ${role}`);
      const { code, stdout } = await doctor({ ...environment(), DATABASE_URL: url });
      expect(code).to.equal(1);
      expect(linesOf(stdout).get('rights')).to.equal(
        `to do: ${role} may only read: grant bankpulse_writer to ${role}, to write`,
      );
      expect(resultsOf(stdout, 'schema', 'owner')).to.deep.equal(['ok', 'ok']);
      await database().client.query(`alter role ${role} connection limit 4`);
      await database().client.query(`grant bankpulse_writer to ${role}`);
      const limited = linesOf((await doctor({ ...environment(), DATABASE_URL: url })).stdout);
      expect(limited.get('rights')).to.match(/^ok/);
      expect(limited.get('connections')).to.match(
        /^to do: 4 more sessions .*needs 6, its dashboard 3; raise/,
      );
    });
  });

  it('says who must migrate a database without the schema', async () => {
    const bare = await createTestDatabase('bare');
    try {
      const { code, stdout } = await doctor({ ...environment(), DATABASE_URL: bare.url });
      expect(code).to.equal(1);
      expect(linesOf(stdout).get('schema')).to.match(/^to do: .* migrations and .*run "npm run migrate"/);
      expect(resultsOf(stdout, 'rights', 'owner')).to.deep.equal(['ok', 'not tried']);
    } finally {
      await dropTestDatabase(bare);
    }
  });

  it('says whose the detection files are if another database has written them', async () => {
    await s3.store.put(
      'other/detections.owner.json',
      '{"pipeline_id":"0","database":"that one"}',
      'application/json',
    );
    const { code, stdout } = await doctor({ ...environment(), DETECTIONS_PREFIX: 'other/detections/' });
    expect(code).to.equal(1);
    expect(linesOf(stdout).get('owner')).to.match(/^to do: .*belong to that one \(pipeline 0\)/);
  });

  it('starts no embedded server, and makes nothing', async () => {
    const home = join(folder, 'home');
    const { code, stdout } = await doctor({ BANKPULSE_HOME: home });
    expect(code).to.equal(0);
    expect(linesOf(stdout).get('connection')).to.match(/^not tried: it does not run now/);
    expect(existsSync(home)).to.be.false;
  });

  describe('at a store of its own kind', () => {
    let odd: OddStore;
    before(async () => {
      odd = await OddStore.start();
    });
    beforeEach(() => odd.reset());
    after(() => odd.stop());

    async function examined(oddity: Oddity, limitMs?: number): Promise<Map<string, string>> {
      odd.oddity = oddity;
      let text = '';
      const examination = new Examination((line) => (text += line), true, limitMs);
      await examineBucket(examination, odd.open(), { CHUNKS_PREFIX: 'in/', DETECTIONS_PREFIX: 'out/' });
      return linesOf(text);
    }

    it('notes that conditions are ignored, and that there are no checksums', async () => {
      const lines = await examined(({ method, key, body, headers }, res) => {
        if (method !== 'PUT' || !headers['if-none-match']) return undefined;
        odd.put(key, body);
        res.writeHead(200, { etag: '"x"' }).end();
        return true;
      });
      expect(lines.get('conditional put')).to.match(/^note: ignored/);
      expect(lines.get('checksums')).to.match(/^note: the store sends none/);
    });

    it('names the variable where checksums are refused', async () => {
      const lines = await examined(({ method, headers }, res) => {
        if (method !== 'PUT' || headers['x-amz-checksum-crc32'] === undefined) return undefined;
        refuse(res, 400, 'InvalidArgument', 'unknown header');
        return true;
      });
      expect(lines.get('put')).to.match(/^to do: .*AWS_REQUEST_CHECKSUM_CALCULATION=when_required/);
      expect(lines.get('delete')).to.match(/^not tried: nothing could be put/);
    });

    it('notes the object that it may not delete', async () => {
      const lines = await examined(({ method }, res) => {
        if (method !== 'DELETE') return undefined;
        refuse(res, 403, 'AccessDenied');
        return true;
      });
      expect(lines.get('delete')).to.match(/^note: out\.probe stays there \(access to .*delete it by hand/);
    });

    it('tells what comes back damaged, or not at all', async () => {
      const damaged = await examined(({ method, key }, res) => {
        if (method !== 'GET' || key === '') return undefined;
        res.writeHead(200, { 'content-length': 3, etag: '"x"' }).end('???');
        return true;
      });
      expect(damaged.get('get')).to.match(/^to do: out\.probe comes back with other bytes/);
      odd.reset();
      const lost = await examined(({ method, key }, res) => {
        if (method !== 'GET' || key === '') return undefined;
        refuse(res, 404, 'NoSuchKey');
        return true;
      });
      expect(lost.get('get')).to.match(/^to do: out\.probe was written and is not there/);
    });

    it('waits for no request that hangs', async () => {
      const lines = await examined(({ isListing }) => isListing, 100);
      expect(lines.get('list CHUNKS_PREFIX')).to.match(/^to do: no answer within 0\.1 s/);
      expect(lines.get('put')).to.match(/^not tried/);
    });

    it('notes a clock that differs', async () => {
      odd.put('out.probe', '');
      const lines = await examined(() => undefined);
      expect(lines.get('clock')).to.match(
        /^to do: the store is .* s (behind|ahead of) this machine: set the clocks/,
      );
    });
  });

  it('compares clocks by the time that an answer took', () => {
    expect(clockFinding('it', 1500, 1000, 2000)).to.deep.equal(ok("as this machine's"));
    expect(clockFinding('it', 5000, 1000, 2000).text).to.match(/^it is 3\.0 s ahead of this machine/);
    expect(clockFinding('it', 0, 8000, 9000, 1000).text).to.match(/^it is 7\.0 s behind this machine/);
    expect(clockFinding('it', 0, 800_000, 800_000).result).to.equal(toDo('').result);
  });
});
