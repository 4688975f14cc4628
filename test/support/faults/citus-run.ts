import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Random } from '../../../src/generate/random.js';
import { preparedOn, type CitusDatabase } from '../citus.js';
import { csv, until } from '../detector.js';
import { run } from '../process.js';
import { testObjectStore } from '../s3.js';
import { faultsOfFiles } from './files.js';
import { GatedProcess } from './gated-process.js';
import { differences, readOutcome } from './outcome.js';
import { Place, type Input } from './place.js';
import { FaultyRun } from './run.js';
import { Tally } from './tally.js';

const CUSTOMERS = 80;
const MERCHANTS = 9;

/** Rows of few customers and merchants, so that each chunk changes every shard, and many come to a detection. */
function chunk(random: Random): string {
  return csv(
    ...Array.from({ length: 30 }, () => {
      const who = random.below(CUSTOMERS);
      const gender = who % 5 < 2 ? 'F' : 'M';
      return `C${who},${gender},M${random.below(MERCHANTS)},${random.below(40)}.${random.below(100)}`;
    }),
  );
}

/** Mechanism Y as a process on a distributed database, while faults happen; the same chunks, undisturbed, on one PostgreSQL. */
export class CitusRun {
  #putCount = 0;

  private constructor(
    private readonly database: CitusDatabase,
    readonly random: Random,
    private readonly undisturbed: Place,
    readonly place: Place,
    readonly faulty: FaultyRun,
    private readonly folder: string,
  ) {}

  /** With one Y at work. Ends with `close`. */
  static async start(database: CitusDatabase, seed: number): Promise<CitusRun> {
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
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
    const weights = Array.from({ length: CUSTOMERS }, (_, who) => `C${who},M${who % MERCHANTS},${who % 7}`);
    await writeFile(input.importanceCsv, ['Source,Target,Weight', ...weights, ''].join('\n'));
    const undisturbed = await Place.open(input, s3, 'undisturbed/');
    const place = await Place.on(database, input, s3, 'disturbed/');
    const random = new Random(seed);
    const faulty = new FaultyRun(place, random, new Tally(), Infinity);
    await faulty.startWorker();
    return new CitusRun(database, random, undisturbed, place, faulty, folder);
  }

  /** Puts the next chunks for both. */
  async put(count: number): Promise<void> {
    for (let more = 0; more < count; more++) {
      const [content, key] = [chunk(this.random), `chunks/chunk_${++this.#putCount}.csv`];
      for (const { prefix, s3 } of [this.undisturbed, this.place])
        await s3.store.put(prefix + key, content, 'text/csv');
    }
  }

  /** Until all that was put is applied, by a Y that lives on. */
  async untilApplied(): Promise<void> {
    await until('all chunks are applied', async () => {
      this.faulty.assertAlive();
      return (await this.place.applied()) === this.#putCount;
    });
  }

  /** Citus does this by itself after citus.recover_2pc_interval, by default a minute. */
  async recover(): Promise<void> {
    await this.place.ask('select recover_prepared_transactions()');
  }

  /** Lets Y come to its end. No server holds anything prepared, and all is as if nothing had happened. */
  async finish(): Promise<void> {
    await this.faulty.finish();
    await this.recover();
    for (const { url } of [this.database, ...this.database.workers])
      expect(await preparedOn(url)).to.deep.equal([]);

    const { code, stderr } = await run(['detect', '--once'], this.undisturbed.env);
    expect(code, stderr).to.equal(0);
    const expected = await readOutcome(this.undisturbed);
    expect(expected.ledger).to.have.length(this.#putCount);
    expect(expected.detections).to.have.length.above(5);
    const found = [
      ...differences(expected, await readOutcome(this.place)),
      ...(await faultsOfFiles(this.place, this.faulty.spans)),
    ];
    expect(found).to.deep.equal([]);
  }

  async close(): Promise<void> {
    await GatedProcess.killAll();
    await this.undisturbed.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
