import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { connect } from '../../../src/database.js';
import { Lane } from '../../../src/detector/lane.js';
import { SqlFunctions } from '../../../src/sql-functions.js';
import { BareCopy } from '../bare-copy.js';
import { timeApply, type ChunkTiming } from '../chunk-timing.js';
import type { InputChunk } from '../input.js';
import type { Contender } from './contender.js';
import type { Detection } from './peer.js';

const TAKE_OVER_MS = 50;

/** All detections so far, in no particular order. */
export async function readDetections(client: pg.Client): Promise<Detection[]> {
  const { rows } = await client.query<Detection>(
    `select pattern_id as pattern, merchant_id as merchant, customer_id as customer, chunk_no::int as chunk
     from bankpulse.detections`,
  );
  return rows;
}

/** BankPulse's own lane beside its peers: each chunk goes to the bare COPY, to BankPulse and to them in turn. */
export class Contest {
  private constructor(
    private readonly control: pg.Client,
    private readonly lane: Lane,
    private readonly bareCopy: BareCopy,
    private readonly folder: string,
  ) {}

  /** Takes over from whoever applied chunks before. The chunks' files are written into `folder`. */
  static async open(config: pg.ClientConfig, folder: string): Promise<Contest> {
    const control = await connect(config);
    try {
      const functions = new SqlFunctions(control);
      const runId = await functions.registerRun();
      // the session of the Y before may take a moment to end
      while (!(await functions.tryTakeOver(runId))) await sleep(TAKE_OVER_MS);
      const bareCopy = await BareCopy.open(control);
      const lane = await Lane.open(config, { runId, batchRows: 50, detectionsPrefix: 'detections/' });
      return new Contest(control, lane, bareCopy, folder);
    } catch (error) {
      await control.end();
      throw error;
    }
  }

  /** Those who do not take part catch up later. */
  async time(
    chunk: InputChunk,
    contenders: readonly Contender[],
    takesPart: (contender: Contender) => boolean,
  ): Promise<ChunkTiming> {
    const { number, rows, content } = chunk;
    const file = join(this.folder, `chunk-${number}.csv`);
    await writeFile(file, content);
    const bareMs = await this.bareCopy.time(content);
    const pairs = await this.bareCopy.countPairs();
    await this.bareCopy.empty();
    const applied = await timeApply(this.lane, chunk);
    const detections = await readDetections(this.control);
    for (const contender of contenders) {
      if (takesPart(contender)) await contender.time({ number, content, file }, detections);
      else contender.skip(file);
    }
    return { rows, pairs, bareMs, ...applied };
  }

  async close(): Promise<void> {
    await this.lane.close();
    // another contest in the same database makes its own
    await this.control.query('drop table bare_copy');
    await this.control.end();
  }
}
