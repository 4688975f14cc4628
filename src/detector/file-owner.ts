import type pg from 'pg';
import { connect, describeDatabase, openViews } from '../database/connection.js';
import { SqlFunctions } from '../database/functions.js';
import { UserError } from '../errors.js';
import type { ObjectStore } from '../s3/object-store.js';
import { printable } from '../text/printable.js';

/**
 * A database and the place of its detection files belong together: the owner object beside the files names the
 * database that writes them. Without it, a database that is not the right one would number its files from 1, over those
 * that stand there, and a bucket that is not the right one would give its chunks to a foreign ledger.
 */

export interface Place {
  config: pg.ClientConfig;
  store: ObjectStore;
  settings: { DETECTIONS_PREFIX: string };
  signal?: AbortSignal | undefined;
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
}

const ownerKeyOf = (detectionsPrefix: string) => `${detectionsPrefix.replace(/\/$/, '')}.owner.json`;

/**
 * Makes sure that the detection files of this place are the database's; the first call writes the owner object.
 * Writes: pipeline.
 * @throws UserError if they are another database's, or if the database's files are elsewhere; errors of the database
 * and the object store as they are.
 */
export async function claimPlace(place: Place): Promise<void> {
  const { config, store, settings, signal } = place;
  const ownerKey = ownerKeyOf(settings.DETECTIONS_PREFIX);
  const identity = await readIdentity(config);
  if (!(await isOwner(place, identity))) {
    const owner: Owner = { pipeline_id: identity.id, database: describeDatabase(config) };
    await store.putIfAbsent(ownerKey, `${JSON.stringify(owner)}\n`, 'application/json', signal);
    await isOwner(place, identity); // another database may have been faster
  }
  if (identity.bucket === store.bucket && identity.ownerKey === ownerKey) return;
  const client = await connect(config);
  try {
    await new SqlFunctions(client).claimPlace(store.bucket, ownerKey);
  } finally {
    await client.end();
  }
}

/** As `claimPlace`, but writes nothing: for commands that only read the files. */
export async function checkPlace(place: Place): Promise<void> {
  await isOwner(place, await readIdentity(place.config));
}

async function readIdentity(config: pg.ClientConfig): Promise<Identity> {
  const views = openViews(config);
  try {
    const { pipeline_id, bucket, owner_key } = await views
      .selectFrom('pipeline')
      .select(['pipeline_id', 'bucket', 'owner_key'])
      .executeTakeFirstOrThrow();
    const chunk = await views.selectFrom('chunks').select('object_key').limit(1).executeTakeFirst();
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
    };
  } finally {
    await views.destroy();
  }
}

/** @returns false if no database owns this place yet, and this one may. @throws UserError if it may not. */
async function isOwner({ config, store, settings, signal }: Place, identity: Identity): Promise<boolean> {
  const prefix = settings.DETECTIONS_PREFIX;
  const ownerKey = ownerKeyOf(prefix);
  const database = `${describeDatabase(config)} (pipeline ${identity.id})`;
  const here = `${store.description}, prefix "${printable(prefix)}"`;

  const found = await store.getWhole(ownerKey, signal);
  if (found !== undefined) {
    const owner = ownerIn(found.content);
    if (owner.pipeline_id === identity.id) return true;
    throw new UserError(
      `the detection files in ${here} belong to ${nameOf(owner)}, as the object ${printable(ownerKey)} says, and not to ` +
        `${database}: set the database, or S3_BUCKET and DETECTIONS_PREFIX, to those that belong together; ` +
        'for a new database choose a DETECTIONS_PREFIX that is empty',
    );
  }
  // a database of a version that wrote no owner object is known by its newest file
  const mustBeElsewhere =
    identity.bucket !== null
      ? identity.hasLedger || identity.exportedKey !== undefined
      : identity.exportedKey !== undefined && !(await store.has(identity.exportedKey, signal));
  if (mustBeElsewhere) {
    const elsewhere =
      identity.bucket === null
        ? `with the object ${printable(identity.exportedKey ?? '')}`
        : `in bucket "${printable(identity.bucket)}" beside the object ${printable(identity.ownerKey ?? '')}`;
    throw new UserError(
      `the detection files of ${database} stand ${elsewhere}, and ${here} has no object ${printable(ownerKey)}: ` +
        'set S3_BUCKET and DETECTIONS_PREFIX to that place, or use another database; if the files have moved, copy that object along, ' +
        `with the content {"pipeline_id":"${identity.id}"}`,
    );
  }
  if (identity.exportedKey !== undefined) return false;
  const { objects } = await store.listPage(`${prefix}detections-`, undefined, signal);
  if (objects.length === 0) return false;
  throw new UserError(
    `${here} has detection files, such as ${printable(objects[0]!.key)}, which ${database} has not written and would ` +
      'write over: use the database that has written them, or choose a DETECTIONS_PREFIX that is empty',
  );
}

function ownerIn(content: Buffer): Owner {
  try {
    const owner: unknown = JSON.parse(content.toString());
    return typeof owner === 'object' && owner !== null ? owner : {};
  } catch {
    return {}; // somebody else's object: no database is known by it
  }
}

function nameOf({ pipeline_id, database }: Owner): string {
  if (typeof pipeline_id !== 'string') return 'an unknown owner';
  const name = typeof database === 'string' ? printable(database) : 'another database';
  return `${name} (pipeline ${printable(pipeline_id)})`;
}
