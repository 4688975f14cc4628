import type pg from 'pg';
import {
  databaseSettings,
  loadSettings,
  objectStoreSettings,
  type SettingName,
  type Settings,
} from '../config.js';
import { connect, connectionConfig } from '../database/connection.js';
import { checkPlace } from '../detector/file-owner.js';
import { examineBucket, skipBucket } from '../doctor/bucket-lines.js';
import { examineDatabase, skipDatabase } from '../doctor/database-lines.js';
import { Examination, note, ok } from '../doctor/examination.js';
import { examineSettings } from '../doctor/settings-lines.js';
import { findEmbedded } from '../embedded/client.js';
import { UsageError } from '../errors.js';
import { createLog } from '../log.js';
import { ObjectStore } from '../s3/object-store.js';
import { PatientStore } from '../s3/patient-store.js';
import { isDatabaseEmbedded } from './database-service.js';
import { embeddedBucket, isStoreEmbedded, namedBucket } from './services.js';

const UNUSABLE = 'a setting above must be mended first';
const NOT_RUNNING = 'it does not run now: a command that needs it starts it';

/**
 * `npm run doctor`: tries all that the pipeline needs, one line each, and goes on after one that failed. It changes nothing
 * but a probe object, which it deletes, and starts no server. `all`: it shows the usual settings, too.
 * @returns the exit code: 1 if there is something to do.
 */
export async function runDoctor({ all }: { all: boolean }): Promise<number> {
  const examination = new Examination((text) => process.stdout.write(text), all);
  await examineSettings(examination);
  const prefixes = usable(['CHUNKS_PREFIX', 'DETECTIONS_PREFIX']);

  examination.heading('database');
  const config = await findDatabase(examination);
  const isSchemaUp = config ? await examineDatabase(examination, config) : false;

  examination.heading('bucket');
  const store = prefixes ? await findStore(examination) : skipBucket(examination, UNUSABLE);
  const isListed = store && prefixes ? await examineBucket(examination, store, prefixes) : false;

  examination.heading('both');
  if (config && store && prefixes && isSchemaUp && isListed)
    await examineOwner(examination, config, store, prefixes);
  else examination.skip('it needs the schema up to date, and a bucket that can be listed', 'owner');
  store?.close();
  return examination.end();
}

/** The settings of these names; undefined if they cannot be used, which the lines of the settings have told. */
function usable<Name extends SettingName>(names: readonly Name[]): Pick<Settings, Name> | undefined {
  try {
    return loadSettings(names);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

/** The embedded services that run; undefined if that cannot be told: a line tells why. */
async function findRunning(
  examination: Examination,
  home: string,
): Promise<Awaited<ReturnType<typeof findEmbedded>> | undefined> {
  let running: Awaited<ReturnType<typeof findEmbedded>> | undefined;
  await examination.try('embedded server', async () => {
    running = await findEmbedded(home);
    return note('it is used, since no variable names another: for trying out');
  });
  return running;
}

/** The database to look at; undefined if there is none: lines tell why. */
async function findDatabase(examination: Examination): Promise<pg.ClientConfig | undefined> {
  const settings = usable(databaseSettings);
  if (!settings) return skipDatabase(examination, UNUSABLE);
  if (!isDatabaseEmbedded(settings)) return connectionConfig(settings);
  const running = await findRunning(examination, settings.BANKPULSE_HOME);
  if (running?.databaseUrl !== undefined) return connectionConfig(settings, running.databaseUrl);
  return skipDatabase(examination, NOT_RUNNING);
}

/** The bucket to look at; undefined if there is none: lines tell why. */
async function findStore(examination: Examination): Promise<ObjectStore | undefined> {
  const settings = usable(objectStoreSettings);
  if (!settings) return skipBucket(examination, UNUSABLE);
  let store: ObjectStore | undefined;
  if (!isStoreEmbedded(settings)) {
    await examination.try('keys and proxy', () => {
      store = ObjectStore.open(namedBucket(settings));
      return ok('can be used');
    });
    return store ?? skipBucket(examination, 'the store cannot be asked');
  }
  const running = await findRunning(examination, settings.BANKPULSE_HOME);
  return running?.s3 ? ObjectStore.open(embeddedBucket(running.s3)) : skipBucket(examination, NOT_RUNNING);
}

/** Whether the detection files of this place are the database's. */
async function examineOwner(
  examination: Examination,
  config: pg.ClientConfig,
  store: ObjectStore,
  settings: Pick<Settings, 'DETECTIONS_PREFIX'>,
): Promise<void> {
  await examination.try('owner', async (signal) => {
    const client = await connect(config);
    try {
      const patientStore = new PatientStore(store, createLog('silent'), signal);
      const isOwned = await checkPlace({ client, config, settings, store: patientStore });
      return ok(
        isOwned
          ? 'these detection files are of this database'
          : 'none yet: the first mechanism Y claims these detection files for its database',
      );
    } catch (error) {
      throw store.explain(error);
    } finally {
      await client.end();
    }
  });
}
