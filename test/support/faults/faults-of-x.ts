import type { Random } from '../../../src/generate/random.js';
import { GatedProcess } from './gated-process.js';
import type { Place } from './place.js';
import type { Tally } from './tally.js';

/** Where X is killed: the step at which its gate shuts, and how that shows in what passed. */
const MOMENTS = [
  { name: 'before a put', step: 'put chunk asked', shows: /held put chunk asked/ },
  { name: 'half a put', step: 'put chunk body', shows: /^put chunk (asked|body), held put chunk body/ },
  { name: 'after a put, before its answer', step: 'put chunk answered', shows: /held put chunk answered/ },
  { name: 'elsewhere', step: undefined, shows: /^/ },
] as const;

/** Of the puts after a start of X, the last at which a kill may come. */
const MAX_TURNS = 12;

/** Runs X to its end, after so many kills: each start goes on where the one before was killed. */
export async function produceWithKills(
  place: Place,
  random: Random,
  tally: Tally,
  kills: number,
): Promise<void> {
  for (let count = 0; count < kills; count++) {
    const x = await GatedProcess.start(['produce'], place);
    const moment = random.pick(MOMENTS);
    if (moment.step === undefined) await new Promise((resolve) => setTimeout(resolve, random.below(2000)));
    else await Promise.race([x.s3.aim(moment.step, 1 + random.below(MAX_TURNS)), x.command.ended]);
    if (x.hasEnded) break;
    const { s3: states } = await x.kill();
    const isHit = moment.step !== undefined && states.some((state) => moment.shows.test(state));
    tally.count(`SIGKILL of X, ${isHit ? moment.name : 'elsewhere'}`);
  }
  await GatedProcess.complete(['produce'], place);
}
