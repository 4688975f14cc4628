import { UsageError } from '../../../src/errors.js';
import type { Bench } from '../context.js';
import type { Figure } from '../figures.js';
import type { Part } from '../part.js';
import { checkAlike } from '../peers/peers.js';
import { growthFigures } from './growth-figures.js';
import { runGrowth } from './growth.js';

export const GROWTH_ROWS = 10_000_000;
/** One per cent must be a chunk. */
const MIN_ROWS = 1_000_000;

/** @throws UsageError */
export function growthPart(rows: number): Part {
  if (!Number.isInteger(rows / MIN_ROWS) || rows < MIN_ROWS)
    throw new UsageError(['the rows of the growing stream must be whole millions']);
  return {
    name: 'growth',
    hasOwnInput: true,
    about: `Growth: a stream of ${rows.toLocaleString('en-US')} rows, ten times as many as customers, 2,000 merchants, Zipf-skewed; merchants with
more than ${(rows / 2500).toLocaleString('en-US')} transactions count as busy (PatId1), several hundred in the end; weights for a fifth as many rows.
\`npm run detect\` works it off from S3; at 1 %, 50 % and (nearly) 100 % it stops, and after five more, ten chunks are timed: a bare COPY, then
BankPulse's transaction; DuckDB is loaded in bulk up to there and takes part in five. Detections must be the same. In turn
with the last ten, ten are timed in another database that is at 1 %, for the machine is not as fast as it was then. Left
out are the refreshed views, which read all of the history for each chunk, and the upsert per row, which has no target.`,
    async measure(bench: Bench): Promise<Figure[]> {
      const growth = await runGrowth(bench, rows);
      checkAlike(growth.differences);
      return growthFigures(growth);
    },
  };
}
