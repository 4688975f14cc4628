import { randomInt } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Random } from '../../src/generate/random.js';
import { isLargeDose } from '../support/dose.js';
import { produceWithKills } from '../support/faults/faults-of-x.js';
import { crashServer, kill } from '../support/faults/faults-of-y.js';
import { faultsOfFiles } from '../support/faults/files.js';
import { GatedProcess } from '../support/faults/gated-process.js';
import { differences, readOutcome } from '../support/faults/outcome.js';
import { Place, type Input } from '../support/faults/place.js';
import { FaultyRun, undisturbed } from '../support/faults/run.js';
import { Tally } from '../support/faults/tally.js';
import { WINDOWS } from '../support/faults/windows.js';
import { startOwnPostgres, type OwnPostgres } from '../support/own-postgres.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

/** Which windows and moments, of all that there are; another one with every run of the small dose. */
const SEED = Number(process.env.FAULT_SEED || (isLargeDose ? 20_261_122 : randomInt(1_000_000)));
const OBJECTS = isLargeDose ? 2000 : 80;
const ROWS_PER_OBJECT = isLargeDose ? 2 : 4;
const CUSTOMERS = isLargeDose ? 60 : 20;
const KILLS_OF_X = isLargeDose ? 4 : 1;
/** Those of Y, in turn. */
const AIMS = isLargeDose
  ? new Random(SEED).shuffle([...WINDOWS, ...WINDOWS])
  : new Random(SEED).shuffle(WINDOWS.filter((window) => window !== 'elsewhere')).slice(0, 5);

/** Rows of few customers and merchants, so that many pairs come to a detection, in chunks all along. */
async function writeInput(
  { transactionsCsv, importanceCsv }: Input,
  rows: number,
  random: Random,
): Promise<void> {
  const customer = () => random.below(CUSTOMERS);
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

describe(`kills of X, Y and PostgreSQL, on ${OBJECTS} tiny objects (FAULT_SEED=${SEED}: ${AIMS.join(', ')})`, function () {
  this.timeout(900_000);
  const places: Place[] = [];
  let folder: string;
  let s3: TestObjectStore;
  let postgres: OwnPostgres;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
    [s3, postgres] = await Promise.all([testObjectStore(), startOwnPostgres()]);
  });
  after(async () => {
    await GatedProcess.killAll();
    for (const place of places) await place.close();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(place: Promise<Place>): Promise<Place> {
    places.push(await place);
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
        PatId1: { merchant_transactions_above: isLargeDose ? 100 : 50 },
        PatId2: { transactions_from: 4 },
        PatId3: { female_customers_above: 2 },
      },
    };
    await writeInput(input, OBJECTS * ROWS_PER_OBJECT, new Random(SEED));
    const reference = undisturbed(await open(Place.open(input, s3, 'undisturbed/')));
    reference.catch(() => undefined); // looked at below
    const random = new Random(SEED);
    const tally = new Tally();
    const place = await open(Place.openOn(postgres, input, s3, 'disturbed/'));
    const faulty = new FaultyRun(place, random, tally, OBJECTS);
    try {
      // with numbers of its own, so that it is not chance what those of Y are
      const producing = produceWithKills(place, new Random(SEED + 1), tally, KILLS_OF_X);
      producing.catch(() => undefined);
      await faulty.startWorker();
      for (const window of AIMS) await kill(faulty, window);
      // one that came too late for its window says so
      for (let more = 0; more < 3; more++)
        for (const window of AIMS.filter((window) => tally.kills[window] === 0)) await kill(faulty, window);
      await crashServer(faulty, () => postgres.crash(500));
      await producing;
      await faulty.finish();
    } catch (error) {
      await GatedProcess.killAll();
      throw error;
    }
    const expected = await reference;
    expect(expected.detections).to.have.length.above(isLargeDose ? 100 : 20);
    const found = [
      ...differences(expected, await readOutcome(place)),
      ...(await faultsOfFiles(place, faulty.spans)),
    ];
    expect(found).to.deep.equal([]);
    for (const window of AIMS) expect(tally.kills[window], tally.lines[0]).to.be.at.least(1);
  });
});
