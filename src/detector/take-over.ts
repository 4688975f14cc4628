import { parse } from 'csv-parse/sync';
import { DETECTION_FILE } from '../config.js';
import type { SqlFunctions } from '../database/functions.js';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { PatientStore } from '../s3/patient-store.js';
import { printable } from '../text/printable.js';

/** A user may have deleted files, so numbers may be missing. A name with a much greater number is a user's, such as a date. */
const MOST_MISSING = 1000;

/**
 * Takes over the detection files behind the newest that the outbox knows: this database wrote them before it was
 * restored to an earlier point. They count as closed and written, so that no file is written over, and no detection
 * twice. Each file is one transaction; a Y that ends half-way leaves the rest to the next.
 * Writes: detection_batches, taken_over_rows, detections.
 * @throws UserError if one of them is not a detection file.
 */
export async function takeOverFiles(
  functions: SqlFunctions,
  store: PatientStore,
  runId: number,
  detectionsPrefix: string,
  log: Logger,
): Promise<void> {
  const taken: string[] = [];
  let startAfter = await functions.lastDetectionFileKey(detectionsPrefix);
  let lastNo = Number(/(\d+)\.csv$/.exec(startAfter)![1]);
  const beginning = detectionsPrefix + DETECTION_FILE;
  for (let isLast = false; !isLast;) {
    const page = await store.listPage(beginning, startAfter);
    for (const { key } of page.objects) {
      startAfter = key;
      const digits = /^(\d{8}|[1-9]\d{8,14})\.csv$/.exec(key.slice(beginning.length))?.[1];
      const file = digits === undefined ? undefined : await store.getWhole(key);
      if (!file) continue; // not named like a detection file, or deleted since the listing
      const batchNo = Number(digits);
      if (batchNo > lastNo + MOST_MISSING) throw refuse(key, `the one before it has the number ${lastNo}`);
      await takeOver(functions, runId, batchNo, key, file.content);
      lastNo = batchNo;
      taken.push(key);
    }
    isLast = page.isLast || page.objects.length === 0;
  }
  if (taken.length === 0) return;
  log.warn(
    { files: taken.length, first: taken[0], last: taken.at(-1) },
    'the database does not know these detection files: it was restored to an earlier point, and takes them over as written',
  );
}

function refuse(key: string, why: string): UserError {
  return new UserError(
    `${printable(key)} stands where this database writes its detection files, and is none of them (${why}): move it away`,
  );
}

async function takeOver(
  functions: SqlFunctions,
  runId: number,
  batchNo: number,
  key: string,
  content: Buffer,
): Promise<void> {
  let rows: Record<string, string>[];
  try {
    rows = parse(content, { columns: true });
  } catch (error) {
    throw refuse(key, messageOf(error));
  }
  if (rows.length === 0) throw refuse(key, 'it has no rows');
  try {
    await functions.takeOverFile(runId, batchNo, key, rows);
  } catch (error) {
    if (hasSqlState(error, 'notNullViolation')) throw refuse(key, 'it lacks a column');
    throw error;
  }
}
