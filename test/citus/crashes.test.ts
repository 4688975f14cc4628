import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Random } from '../../src/generate/random.js';
import { crashServer, describeOnCitus, preparedOn, useCitusDatabase } from '../support/citus.js';
import { csv, until } from '../support/detector.js';
import { isLargeDose } from '../support/dose.js';
import { faultsOfFiles } from '../support/faults/files.js';
import { GatedProcess } from '../support/faults/gated-process.js';
import { differences, readOutcome } from '../support/faults/outcome.js';
import { Place, type Input } from '../support/faults/place.js';
import { FaultyRun } from '../support/faults/run.js';
import { Tally } from '../support/faults/tally.js';
import { run } from '../support/process.js';
import { testObjectStore } from '../support/s3.js';

/** Which server is crashed, when a worker is told this; without a text at any moment. */
interface Crash {
  server: 'a worker' | 'the coordinator';
  text?: 'PREPARE TRANSACTION' | 'COMMIT PREPARED';
}

/** How often each: in the large dose 20 workers and 6 coordinators. */
const DOSES: [crash: Crash, small: number, large: number][] = [
  [{ server: 'a worker' }, 1, 8],
  [{ server: 'a worker', text: 'PREPARE TRANSACTION' }, 1, 4],
  [{ server: 'a worker', text: 'COMMIT PREPARED' }, 1, 8],
  [{ server: 'the coordinator' }, 1, 2],
  [{ server: 'the coordinator', text: 'PREPARE TRANSACTION' }, 0, 2],
  [{ server: 'the coordinator', text: 'COMMIT PREPARED' }, 1, 2],
];
const SEED = Number(process.env.FAULT_SEED || randomInt(1_000_000));
/** That wait when a server crashes, and that come meanwhile. */
const CHUNKS_PER_CRASH = 8;

/** Rows of few customers and merchants, so that each chunk changes every shard, and many come to a detection. */
function chunk(random: Random): string {
  return csv(
    ...Array.from({ length: 30 }, () => {
      const who = random.below(80);
      return `C${who},${who % 5 < 2 ? 'F' : 'M'},M${random.below(9)},${random.below(40)}.${random.below(100)}`;
    }),
  );
}

const title = `crashes of servers of Citus while mechanism Y applies chunks (FAULT_SEED=${SEED})`;
const suite = (coordinatorUrl: string) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4, linked: true });
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  after(async () => {
    await GatedProcess.killAll();
    await rm(folder, { recursive: true, force: true });
  });

  it('change no detection, no state and no file; Y goes on by itself', async function () {
    this.timeout(900_000);
    const { url, workers } = database();
    const s3 = await testObjectStore();
    const input: Input = {
      ...{ transactionsCsv: '', importanceCsv: join(folder, 'importance.csv') },
      ...{ chunkRows: 30, batchRows: 5, chunkIntervalMs: 0 },
      thresholds: {
        PatId1: { merchant_transactions_above: 60 },
        PatId2: { transactions_from: 4 },
        PatId3: { female_customers_above: 2 },
      },
    };
    const weights = Array.from({ length: 80 }, (_, who) => `C${who},M${who % 9},${who % 7}`);
    await writeFile(input.importanceCsv, ['Source,Target,Weight', ...weights, ''].join('\n'));
    const reference = await Place.open(input, s3, 'undisturbed/');
    const place = await Place.on(database(), input, s3, 'disturbed/');

    const random = new Random(SEED);
    let putCount = 0;
    const put = async (count: number) => {
      for (let more = 0; more < count; more++) {
        const [content, key] = [chunk(random), `chunks/chunk_${++putCount}.csv`];
        for (const { prefix } of [reference, place]) await s3.store.put(prefix + key, content, 'text/csv');
      }
    };
    const faulty = new FaultyRun(place, random, new Tally(), Infinity);
    await faulty.startWorker();

    const injectCrash = async ({ server, text }: Crash) => {
      const worker = random.pick(workers);
      const serverUrl = server === 'a worker' ? worker.url : url;
      if (text === undefined) {
        await put(CHUNKS_PER_CRASH);
        await faulty.pause(400);
        return crashServer(serverUrl);
      }
      const isHeld = worker.link!.holdAt(text);
      await put(CHUNKS_PER_CRASH);
      await isHeld;
      if (text === 'COMMIT PREPARED') expect(await preparedOn(worker.url)).to.have.length.above(0);
      await crashServer(serverUrl);
      // what was held died with the sender, or with its receiver
      worker.link!.cut();
      worker.link!.mend();
    };

    await put(1);
    const crashes = DOSES.flatMap(([crash, small, large]) =>
      Array.from({ length: isLargeDose ? large : small }, () => crash),
    );
    for (const crash of random.shuffle(crashes)) {
      await until('all chunks are applied', async () => {
        faulty.assertAlive();
        return (await place.applied()) === putCount;
      });
      await injectCrash(crash);
      // Citus does this by itself after citus.recover_2pc_interval, by default a minute
      await place.ask('select recover_prepared_transactions()');
    }
    await faulty.finish();
    await place.ask('select recover_prepared_transactions()');
    for (const server of [url, ...workers.map((worker) => worker.url)])
      expect(await preparedOn(server)).to.deep.equal([]);

    const { code, stderr } = await run(['detect', '--once'], reference.env);
    expect(code, stderr).to.equal(0);
    const expected = await readOutcome(reference);
    expect(expected.ledger).to.have.length(putCount);
    expect(expected.detections).to.have.length.above(30);
    const found = [
      ...differences(expected, await readOutcome(place)),
      ...(await faultsOfFiles(place, faulty.spans)),
    ];
    expect(found).to.deep.equal([]);
    await reference.close();
  });
};
describeOnCitus(title, suite, { crashesServers: true });
