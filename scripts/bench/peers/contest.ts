import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { chunkName } from '../../../src/s3/chunk-names.js';
import type { ChunkTiming } from '../chunk-timing.js';
import type { InputChunk } from '../input.js';
import { TimedLane } from '../timed-lane.js';
import type { Contender } from './contender.js';
import type { Detection } from './peer.js';

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
    private readonly lane: TimedLane,
    private readonly folder: string,
  ) {}

  /** Takes over from whoever applied chunks before. The chunks' files are written into `folder`. */
  static async open(config: pg.ClientConfig, folder: string): Promise<Contest> {
    return new Contest(await TimedLane.open(config), folder);
  }

  /** Those who do not take part catch up later. */
  async time(
    chunk: InputChunk,
    contenders: readonly Contender[],
    takesPart: (contender: Contender) => boolean,
  ): Promise<ChunkTiming> {
    const { number, content } = chunk;
    const file = join(this.folder, chunkName(number));
    await writeFile(file, content);
    const timing = await this.lane.time(chunk);
    const detections = await readDetections(this.lane.control);
    for (const contender of contenders) {
      if (takesPart(contender)) await contender.time({ number, content, file }, detections);
      else contender.skip(file);
    }
    return timing;
  }

  async close(): Promise<void> {
    await this.lane.close();
  }
}
