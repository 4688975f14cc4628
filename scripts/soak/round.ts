import { produceWithKills } from '../../test/support/faults/faults-of-x.js';
import * as y from '../../test/support/faults/faults-of-y.js';
import { faultsOfFiles } from '../../test/support/faults/files.js';
import { GatedProcess } from '../../test/support/faults/gated-process.js';
import type { Place } from '../../test/support/faults/place.js';
import { FaultyRun } from '../../test/support/faults/run.js';
import type { Tally } from '../../test/support/faults/tally.js';
import { WINDOWS } from '../../test/support/faults/windows.js';
import { run } from '../../test/support/process.js';
import { Random } from '../../src/generate/random.js';
import type { Servers } from './servers.js';

const KILLS_OF_X = 6;

/** All faults of Y and PostgreSQL, each as often as it should come. A round draws them, and shuffles anew when none is left. */
function deckOf({ crash }: Servers): ((faulty: FaultyRun) => Promise<void>)[] {
  return [
    ...[...WINDOWS, ...WINDOWS].map((window) => (faulty: FaultyRun) => y.kill(faulty, window)),
    ...WINDOWS.slice(0, 4).map((window) => (faulty: FaultyRun) => y.killWithSpare(faulty, window)),
    y.terminate,
    y.terminate,
    y.stopAndContinue,
    y.hangConnections,
    y.endSessions,
    ...(crash
      ? [
          (faulty: FaultyRun) =>
            y.crashServer(faulty, () => crash(faulty.place, 1000 + faulty.random.below(2000))),
        ]
      : []),
  ];
}

/** Runs X and Y with one fault after the other, until nothing is left to do. @returns the faults of the files */
export async function disturbedRound(
  place: Place,
  random: Random,
  tally: Tally,
  servers: Servers,
  chunkCount: number,
): Promise<string[]> {
  const faulty = new FaultyRun(place, random, tally, chunkCount);
  try {
    // X has random numbers of its own, because the order in which X and Y draw depends on the machine
    const producing = produceWithKills(place, new Random(random.below(2 ** 31)), tally, KILLS_OF_X);
    producing.catch(() => undefined); // awaited below
    await faulty.startWorker();
    for (let deck = random.shuffle(deckOf(servers)); !(await faulty.isOver());) {
      await deck.pop()!(faulty);
      process.stderr.write(
        `${await place.applied()} of ${chunkCount} chunks, ${tally.killCount} kills of Y so far\n`,
      );
      if (deck.length === 0) deck = random.shuffle(deckOf(servers));
    }
    await producing;
    await faulty.finish();
  } catch (error) {
    await GatedProcess.killAll();
    throw error;
  }
  return faultsOfFiles(place, faulty.spans);
}

/** Runs `verify`. @returns its output if it found a difference */
export async function verify(place: Place): Promise<string[]> {
  const { code, stdout, stderr } = await run(['verify'], place.env);
  return code === 0 ? [] : [`verify ended with ${code}: ${stdout}${stderr}`];
}
