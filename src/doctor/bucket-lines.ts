import { keyBeside } from '../detector/file-owner.js';
import { UserError, messageOf } from '../errors.js';
import type { ObjectStore, WholeObject } from '../s3/object-store.js';
import { statusOf } from '../s3/store-errors.js';
import { clockFinding } from './clock.js';
import { note, ok, toDo, type Examination } from './examination.js';

export interface Prefixes {
  CHUNKS_PREFIX: string;
  DETECTIONS_PREFIX: string;
}

const CONTENT = Buffer.from('BankPulse wrote this to see whether it may, and could not delete it.\n');
const TYPE = 'text/plain';
const NEEDS_PROBE = ['get', 'checksums', 'conditional put', 'clock', 'delete'];
const NEEDS_BUCKET = ['list DETECTIONS_PREFIX', 'put', ...NEEDS_PROBE];

/** Why no bucket is looked at. */
export function skipBucket(examination: Examination, why: string): undefined {
  examination.skip(why, 'list CHUNKS_PREFIX', ...NEEDS_BUCKET);
}

/** Writes and deletes one object, beside the detection files. @returns whether the bucket can be listed. */
export async function examineBucket(
  examination: Examination,
  store: ObjectStore,
  prefixes: Prefixes,
): Promise<boolean> {
  const { CHUNKS_PREFIX: chunks, DETECTIONS_PREFIX: detections } = prefixes;
  const isListed = await examination.try('list CHUNKS_PREFIX', async (signal) => {
    await store.checkAccess(chunks, signal);
    return ok(`${store.description}, ${chunks}`);
  });
  if (!isListed) {
    examination.skip('the bucket cannot be listed', ...NEEDS_BUCKET);
    return false;
  }
  await examination.try('list DETECTIONS_PREFIX', async (signal) => {
    await store.checkAccess(detections, signal);
    return ok(detections);
  });
  await examineProbe(examination, store, keyBeside(detections, 'probe'));
  return true;
}

async function examineProbe(examination: Examination, store: ObjectStore, key: string): Promise<void> {
  const explained = <Result>(work: Promise<Result>) =>
    work.catch((error: unknown) => {
      throw store.explain(error);
    });
  let before = 0;
  let after = 0;
  const isPut = await examination.try('put', async (signal) => {
    before = Date.now();
    await store.put(key, CONTENT, TYPE, signal).catch((error: unknown) => {
      const explanation = store.explain(error);
      // so stores refuse the SDK's header for checksums, too
      if (![400, 411, 501].includes(statusOf(error) ?? 0)) throw explanation;
      throw new UserError(
        `${messageOf(explanation)}; if it takes no checksums, set AWS_REQUEST_CHECKSUM_CALCULATION=when_required`,
      );
    });
    after = Date.now();
    return ok(key);
  });
  if (!isPut) return examination.skip('nothing could be put', ...NEEDS_PROBE);

  let found: WholeObject | undefined;
  await examination.try('get', async (signal) => {
    found = await explained(store.getWhole(key, signal));
    // another doctor may have deleted it
    if (!found) await explained(store.put(key, CONTENT, TYPE, signal));
    found ??= await explained(store.getWhole(key, signal));
    if (!found) return toDo(`${key} was written and is not there: the store must show what it has taken`);
    return found.content.equals(CONTENT) ? ok(key) : toDo(`${key} comes back with other bytes`);
  });
  if (!found) examination.skip('nothing could be read', 'checksums');
  else {
    const { hasChecksum } = found;
    await examination.try('checksums', () =>
      hasChecksum
        ? ok('the store sends them with objects, and they are compared')
        : note('the store sends none: bytes that are damaged on the way are not noticed, cut bodies are'),
    );
  }
  await examination.try('conditional put', async (signal) => {
    const way = await explained(store.learnConditionalPut(key, CONTENT, TYPE, signal));
    if (way === 'enforced') return ok('enforced');
    const what = way === 'refused' ? 'not taken by the store, or S3_CONDITIONAL_PUTS is false' : 'ignored';
    return note(
      `${what}: BankPulse looks before it writes; let no two Xs, and no two databases, begin at once`,
    );
  });
  await examination.try('clock', async (signal) => {
    const { objects } = await explained(store.listPage(key, undefined, signal));
    const probe = objects.find((object) => object.key === key);
    if (!probe) return toDo(`${key} is not listed: the store must list what it has taken`);
    // the conditional put may have written it again
    return clockFinding('the store', probe.lastModified.getTime(), before, Math.max(after, Date.now()), 1000);
  });
  await examination.try('delete', async (signal) => {
    try {
      await store.delete(key, signal);
      return ok(key);
    } catch (error) {
      return note(
        `${key} stays there (${messageOf(store.explain(error))}): BankPulse itself deletes nothing, so delete it by hand`,
      );
    }
  });
}
