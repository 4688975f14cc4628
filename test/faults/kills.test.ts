import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Random } from '../../src/generate/random.js';
import { produceWithKills } from '../support/faults/faults-of-x.js';
import { kill } from '../support/faults/faults-of-y.js';
import { faultsOfFiles } from '../support/faults/files.js';
import { GatedProcess } from '../support/faults/gated-process.js';
import { differences, readOutcome } from '../support/faults/outcome.js';
import { Place, type Input } from '../support/faults/place.js';
import { FaultyRun, undisturbed } from '../support/faults/run.js';
import { Tally } from '../support/faults/tally.js';
import { WINDOWS, type Window } from '../support/faults/windows.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

const SEED = 20_261_122;
const OBJECTS = 2000;
const ROWS_PER_OBJECT = 2;
const KILLS_PER_WINDOW = 2;

/** Rows of few customers and merchants, so that many pairs come to a detection, in chunks all along. */
async function writeInput(
  { transactionsCsv, importanceCsv }: Input,
  rows: number,
  random: Random,
): Promise<void> {
  const customer = () => random.below(60);
  const transactions = Array.from({ length: rows }, () => {
    const who = customer();
    return `C${who},${who % 5 < 2 ? 'F' : 'M'},M${random.below(5)},${random.below(40)}.${random.below(100)}`;
  });
  const importance = Array.from(
    { length: 300 },
    () => `C${customer()},M${random.below(5)},${random.below(50)}`,
  );
  await writeFile(transactionsCsv, ['customer,gender,merchant,amount', ...transactions, ''].join('\n'));
  await writeFile(importanceCsv, ['Source,Target,Weight', ...importance, ''].join('\n'));
}

describe(`kills of X and Y, on ${OBJECTS} tiny objects (seed ${SEED})`, function () {
  this.timeout(900_000);
  const places: Place[] = [];
  let folder: string;
  let s3: TestObjectStore;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    s3 = await testObjectStore();
  });
  after(async () => {
    await GatedProcess.killAll();
    for (const place of places) await place.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(input: Input, prefix: string): Promise<Place> {
    const place = await Place.open(input, s3, prefix);
    places.push(place);
    return place;
  }

  it('change no detection, no state and no file', async () => {
    const input: Input = {
      transactionsCsv: join(folder, 'transactions.csv'),
      importanceCsv: join(folder, 'CustomerImportance.csv'),
      chunkRows: ROWS_PER_OBJECT,
      batchRows: 5,
      chunkIntervalMs: 0,
      thresholds: {
        PatId1: { merchant_transactions_above: 100 },
        PatId2: { transactions_from: 4 },
        PatId3: { female_customers_above: 2 },
      },
    };
    await writeInput(input, OBJECTS * ROWS_PER_OBJECT, new Random(SEED));
    const reference = undisturbed(await open(input, 'undisturbed/'));
    reference.catch(() => undefined); // looked at below
    const random = new Random(SEED);
    const tally = new Tally();
    const faulty = new FaultyRun(await open(input, 'disturbed/'), random, tally, OBJECTS);
    try {
      // with numbers of its own, so that it is not chance what those of Y are
      const producing = produceWithKills(faulty.place, new Random(SEED + 1), tally, 4);
      producing.catch(() => undefined);
      await faulty.startWorker();
      for (const window of random.shuffle(
        WINDOWS.flatMap((window) => Array<Window>(KILLS_PER_WINDOW).fill(window)),
      ))
        await kill(faulty, window);
      // one that came too late for its window says so
      for (let more = 0; more < 3; more++)
        for (const window of WINDOWS.filter((window) => tally.kills[window] === 0))
          await kill(faulty, window);
      await producing;
      await faulty.finish();
    } catch (error) {
      await GatedProcess.killAll();
      throw error;
    }
    const expected = await reference;
    expect(expected.detections).to.have.length.above(100);
    const found = [
      ...differences(expected, await readOutcome(faulty.place)),
      ...(await faultsOfFiles(faulty.place, faulty.spans)),
    ];
    expect(found).to.deep.equal([]);
    for (const window of WINDOWS) expect(tally.kills[window], tally.lines[0]).to.be.at.least(1);
  });
});
