import { randomInt } from 'node:crypto';
import { expect } from 'chai';
import { crashServer, describeOnCitus, preparedOn, useCitusDatabase } from '../support/citus.js';
import { isLargeDose } from '../support/dose.js';
import { CitusRun } from '../support/faults/citus-run.js';

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

const title = `crashes of servers of Citus while mechanism Y applies chunks (FAULT_SEED=${SEED})`;
const suite = (coordinatorUrl: string) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4, linked: true });
  let run: CitusRun;
  before(async () => {
    run = await CitusRun.start(database(), SEED);
  });
  after(() => run.close());

  async function inject({ server, text }: Crash): Promise<void> {
    const { url, workers } = database();
    const worker = run.random.pick(workers);
    const serverUrl = server === 'a worker' ? worker.url : url;
    if (text === undefined) {
      await run.put(CHUNKS_PER_CRASH);
      await run.faulty.pause(400);
      return crashServer(serverUrl);
    }
    const isHeld = worker.link!.holdAt(text);
    await run.put(CHUNKS_PER_CRASH);
    await isHeld;
    if (text === 'COMMIT PREPARED') expect(await preparedOn(worker.url)).to.have.length.above(0);
    await crashServer(serverUrl);
    // what was held died with the sender, or with its receiver
    worker.link!.cut();
    worker.link!.mend();
  }

  it('change no detection, no state and no file; Y goes on by itself', async function () {
    this.timeout(900_000);
    const crashes = DOSES.flatMap(([crash, small, large]) =>
      Array.from({ length: isLargeDose ? large : small }, () => crash),
    );
    await run.put(1);
    for (const crash of run.random.shuffle(crashes)) {
      await run.untilApplied();
      await inject(crash);
      await run.recover();
    }
    await run.finish();
  });
};
describeOnCitus(title, suite, { crashesServers: true });
