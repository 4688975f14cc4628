import type pg from 'pg';
import { DETECTION_FILE } from '../config.js';
import { describeDatabase, viewsOn } from '../database/connection.js';
import { SqlFunctions } from '../database/functions.js';
import { UserError } from '../errors.js';
import type { PatientStore } from '../s3/patient-store.js';
import { printable } from '../text/printable.js';

/**
 * A database and the place of its detection files belong together: the owner object beside the files names the
 * database that writes them. Without it, a database that is not the right one would number its files from 1, over those
 * that stand there, and a bucket that is not the right one would give its chunks to a foreign ledger.
 */

export interface Place {
  /** A session that does nothing else meanwhile. */
  client: pg.Client;
  config: pg.ClientConfig;
  store: PatientStore;
  settings: { DETECTIONS_PREFIX: string };
}

/** What the owner object holds. `database` is for people, and true at the time of writing. */
interface Owner {
  pipeline_id?: unknown;
  database?: unknown;
}

/** What the database says of itself. */
interface Identity {
  id: string;
  /** Of the owner object; null before the first start of a Y that writes one. */
  bucket: string | null;
  ownerKey: string | null;
  hasLedger: boolean;
  /** The newest detection file that it has written. */
  exportedKey: string | undefined;
  /** An object that stands where its files are: the newest file, or else a chunk; undefined if there is neither. */
  evidenceKey: string | undefined;
}

/** An object beside the files, not among them. */
export const keyBeside = (detectionsPrefix: string, name: string) =>
  `${detectionsPrefix.replace(/\/$/, '')}.${name}`;
const ownerKeyOf = (detectionsPrefix: string) => keyBeside(detectionsPrefix, 'owner.json');

const isRecorded = ({ bucket, ownerKey }: Identity, { store, settings }: Place) =>
  bucket === store.bucket && ownerKey === ownerKeyOf(settings.DETECTIONS_PREFIX);

/**
 * Makes sure that the detection files of this place are the database's; the first call writes the owner object.
 * Writes: pipeline.
 * @throws UserError if they are another database's, or if the database's files are elsewhere; errors of the database
 * and the object store as they are.
 */
export async function claimPlace(place: Place): Promise<void> {
  const { client, config, store, settings } = place;
  const ownerKey = ownerKeyOf(settings.DETECTIONS_PREFIX);
  const identity = await readIdentity(client);
  if (!(await isOwner(place, identity))) {
    const owner: Owner = { pipeline_id: identity.id, database: describeDatabase(config) };
    await store.putIfAbsent(ownerKey, `${JSON.stringify(owner)}\n`, 'application/json');
    // another database may have been faster
    if (!(await isOwner(place, identity))) {
      throw new UserError(
        `${store.description} has lost the object ${printable(ownerKey)} that was just written: start again`,
      );
    }
  }
  if (!isRecorded(identity, place)) await new SqlFunctions(client).claimPlace(store.bucket, ownerKey);
}

/** As `claimPlace`, but writes nothing: for commands that only read the files. @returns false if no database owns it yet. */
export async function checkPlace(place: Place): Promise<boolean> {
  return isOwner(place, await readIdentity(place.client));
}

/**
 * For the Y that is elected, since another one may have begun elsewhere after `claimPlace`.
 * @throws UserError if the database's files are recorded to be elsewhere.
 */
export async function confirmPlace(place: Place): Promise<void> {
  const identity = await readIdentity(place.client);
  if (!isRecorded(identity, place)) throw isElsewhere(place, identity);
}

async function readIdentity(client: pg.Client): Promise<Identity> {
  const views = viewsOn(client);
  const { pipeline_id, bucket, owner_key } = await views
    .selectFrom('pipeline')
    .select(['pipeline_id', 'bucket', 'owner_key'])
    .executeTakeFirstOrThrow();
  const keys = views.selectFrom('chunks').select('object_key').limit(1);
  const chunk =
    (await keys.where('chunk_no', 'is not', null).orderBy('chunk_no', 'desc').executeTakeFirst()) ??
    (await keys.executeTakeFirst());
  const exported = await views
    .selectFrom('detection_batches')
    .select('object_key')
    .where('exported_at', 'is not', null)
    .orderBy('batch_no', 'desc')
    .limit(1)
    .executeTakeFirst();
  return {
    id: pipeline_id,
    bucket,
    ownerKey: owner_key,
    hasLedger: chunk !== undefined,
    exportedKey: exported?.object_key,
    evidenceKey: exported?.object_key ?? chunk?.object_key,
  };
}

/** @returns false if no database owns this place yet, and this one may. @throws UserError if it may not. */
async function isOwner(place: Place, identity: Identity): Promise<boolean> {
  const { config, store, settings } = place;
  const prefix = settings.DETECTIONS_PREFIX;
  const ownerKey = ownerKeyOf(prefix);

  const found = await store.getWhole(ownerKey);
  if (found !== undefined) {
    const owner = ownerIn(found.content);
    if (owner.pipeline_id !== identity.id) throw isAnothers(place, identity, owner);
    // files that have moved bring the owner object with them, and so does a bucket where this database began for a moment
    if (identity.hasLedger && identity.bucket !== null && !isRecorded(identity, place)) {
      if (identity.evidenceKey !== undefined && !(await store.has(identity.evidenceKey)))
        throw isElsewhere(place, identity);
    }
    return true;
  }
  if (identity.bucket !== null && identity.hasLedger) throw isElsewhere(place, identity);
  if (identity.exportedKey !== undefined) {
    // a database of a version that wrote no owner object is known by its newest file
    if (identity.bucket === null && (await store.has(identity.exportedKey))) return false;
    throw isElsewhere(place, identity);
  }
  const { objects } = await store.listPage(`${prefix}${DETECTION_FILE}`);
  if (objects.length === 0) return false;
  throw new UserError(
    `${nameOfPlace(place)} has detection files, such as ${printable(objects[0]!.key)}, which ${nameOfDatabase(config, identity)} ` +
      'has not written and would write over: use the database that has written them, or choose a DETECTIONS_PREFIX that is empty',
  );
}

const nameOfPlace = ({ store, settings }: Place) =>
  `${store.description}, prefix "${printable(settings.DETECTIONS_PREFIX)}"`;
const nameOfDatabase = (config: pg.ClientConfig, { id }: Identity) =>
  `${describeDatabase(config)} (pipeline ${id})`;

function isAnothers(place: Place, identity: Identity, owner: Owner): UserError {
  return new UserError(
    `the detection files in ${nameOfPlace(place)} belong to ${nameOf(owner)}, as the object ` +
      `${printable(ownerKeyOf(place.settings.DETECTIONS_PREFIX))} says, and not to ${nameOfDatabase(place.config, identity)}: ` +
      'set the database, or S3_BUCKET and DETECTIONS_PREFIX, to those that belong together; ' +
      'for a new database choose a DETECTIONS_PREFIX that is empty',
  );
}

function isElsewhere(place: Place, identity: Identity): UserError {
  const { bucket, ownerKey, id, evidenceKey = '' } = identity;
  const here = printable(ownerKeyOf(place.settings.DETECTIONS_PREFIX));
  const elsewhere =
    bucket === null
      ? `where its newest file is, ${printable(evidenceKey)}`
      : `in bucket "${printable(bucket)}" beside the object ${printable(ownerKey ?? '')}`;
  return new UserError(
    `the detection files of ${nameOfDatabase(place.config, identity)} stand ${elsewhere}, and not in ${nameOfPlace(place)}: ` +
      'set S3_BUCKET and DETECTIONS_PREFIX to that place, or use another database; if all its objects have moved here, ' +
      `put the object ${here} with the content {"pipeline_id":"${id}"} beside them`,
  );
}

function ownerIn(content: Buffer): Owner {
  try {
    const owner: unknown = JSON.parse(content.toString());
    return typeof owner === 'object' && owner !== null ? owner : {};
  } catch {
    return {}; // BankPulse has not written this object: it names no database
  }
}

function nameOf({ pipeline_id, database }: Owner): string {
  if (typeof pipeline_id !== 'string') return 'an unknown owner';
  const name = typeof database === 'string' ? printable(database) : 'another database';
  return `${name} (pipeline ${printable(pipeline_id)})`;
}
