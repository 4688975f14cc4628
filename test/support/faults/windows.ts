import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../src/generate/random.js';
import type { GatedProcess } from './gated-process.js';
import type { Place } from './place.js';

/** Moments in the life of Y at which it is killed. */
export const WINDOWS = [
  'fetch',
  'COPY',
  'apply',
  'before commit',
  'after commit',
  'close to put',
  'put to mark',
  'elsewhere',
] as const;
export type Window = (typeof WINDOWS)[number];

/** The step at which the gate shuts, so that Y stands in the window. */
const STEPS: Record<Window, { gate: 'postgres' | 's3'; step: string; isForwarded?: boolean } | undefined> = {
  fetch: { gate: 's3', step: 'get chunk answered' },
  COPY: { gate: 'postgres', step: 'copy data' },
  apply: { gate: 'postgres', step: 'process asked', isForwarded: true },
  'before commit': { gate: 'postgres', step: 'commit asked' },
  'after commit': { gate: 'postgres', step: 'commit answered' },
  'close to put': { gate: 's3', step: 'put detections asked' },
  'put to mark': { gate: 'postgres', step: 'mark asked' },
  elsewhere: undefined,
};

/** Of the occurrences of a step, the last at which a kill may come. */
const MAX_TURNS = 4;
const LOOK_MS = 500;

/**
 * Waits until Y stands in the window, for the first time or some time later; elsewhere: for a random while. If Y has
 * nothing left to do, the window may not come any more.
 */
export async function reach(
  window: Window,
  y: GatedProcess,
  random: Random,
  isOver: () => Promise<boolean>,
): Promise<void> {
  const aim = STEPS[window];
  if (!aim) return sleep(random.below(2500));
  let isHit = false;
  const hit = y[aim.gate].aim(aim.step, 1 + random.below(MAX_TURNS), aim.isForwarded).then(() => {
    isHit = true;
  });
  const over = async () => {
    while (!isHit && !y.hasEnded && !(await isOver())) await sleep(LOOK_MS);
  };
  await Promise.race([hit, over()]);
  // a small chunk is applied before a timer fires: often at once, sometimes later
  const pauseMs = random.pick([0, 0, 5, 25]);
  if (window === 'apply' && pauseMs > 0) await sleep(pauseMs);
}

/** What Y has done and not said, and what it was at: the window a kill fell into, by what is found afterwards. */
export async function windowOf(
  place: Place,
  {
    aimedAt,
    appliedBefore,
    lastSaid,
    bornAt,
    passed,
  }: {
    aimedAt: Window;
    /** Chunks in the ledger when this Y was started. */
    appliedBefore: number;
    lastSaid: number;
    /** The database's time when this Y was started. */
    bornAt: Date;
    passed: { postgres: string[]; s3: string[] };
  },
): Promise<Window> {
  const applied = await place.applied();
  const [batch] = await place.ask<{ object_key: string; is_young: boolean }>(
    `select object_key, closed_at >= $1 as is_young
     from bankpulse.detection_batches where exported_at is null order by batch_no limit 1`,
    [bornAt],
  );
  const isAt = (step: RegExp) => [...passed.postgres, ...passed.s3].some((state) => step.test(state));
  // not one that an earlier Y left, and this one had not come to
  const isInHand = batch !== undefined && (batch.is_young || isAt(/put detections|mark asked/));
  const isPut = isInHand && (await place.s3.store.has(batch.object_key));
  const isUnsaid = applied > Math.max(appliedBefore, lastSaid);
  const holds: Record<Window, boolean> = {
    'put to mark': isPut,
    'close to put': isInHand && !isPut,
    'after commit': isUnsaid,
    'before commit': !isUnsaid && isAt(/^(process (answered|asked, held)|newest )/),
    apply: !isUnsaid && isAt(/^process asked$/),
    COPY: isAt(/^copy (asked|data)/),
    fetch: isAt(/^get chunk asked/),
    elsewhere: true,
  };
  if (holds[aimedAt]) return aimedAt;
  return WINDOWS.toReversed().find((window) => window !== 'elsewhere' && holds[window]) ?? 'elsewhere';
}
