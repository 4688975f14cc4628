import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../../test/support/faults/place.js';
import { closeTestStores, testObjectStore, type TestObjectStore } from '../../test/support/s3.js';
import { sharedDatabase, sharedStore } from '../../test/support/servers.js';
import { Cluster } from './cluster.js';

/** The servers of a soak. Ends with `close`. */
export interface Servers {
  s3: TestObjectStore;
  description: string;
  /** Kills PostgreSQL and starts it again; only for a server that the soak started. */
  crash?: (place: Place, pauseMs: number) => Promise<void>;
  close(): Promise<void>;
}

/** As `pg_ctl -m immediate stop`: SIGQUIT to the postmaster, which runs on this machine. */
async function killServer(place: Place): Promise<void> {
  const [row] = await place.ask<{ pid: number }>(
    `select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid`,
  );
  process.kill(row!.pid, 'SIGQUIT');
}

/**
 * Opens a PostgreSQL: one with the programs in `postgresBin`, the one at TEST_DATABASE_URL or DATABASE_URL, or an
 * embedded one. Opens an S3 server: the one at TEST_S3_ENDPOINT or AWS_ENDPOINT_URL_S3, or an embedded one.
 */
export async function openServers(postgresBin: string | undefined): Promise<Servers> {
  const cluster = postgresBin === undefined ? undefined : await Cluster.start(postgresBin);
  const url = cluster?.url || process.env.TEST_DATABASE_URL || process.env.DATABASE_URL;
  const endpoint = process.env.TEST_S3_ENDPOINT || process.env.AWS_ENDPOINT_URL_S3;
  // the helpers of the tests read these
  if (url) process.env.TEST_DATABASE_URL = url;
  if (endpoint) process.env.TEST_S3_ENDPOINT = endpoint;

  const isOwn = cluster !== undefined || !url;
  const database = cluster ? `PostgreSQL from ${postgresBin}` : url ? 'the PostgreSQL given' : 'embedded';
  return {
    s3: await testObjectStore(),
    description: `PostgreSQL: ${database}; S3: ${endpoint ? 'the server given' : 'embedded'}`,
    ...(isOwn && {
      async crash(place: Place, pauseMs: number) {
        await killServer(place);
        await sleep(pauseMs);
        // the clients of an embedded server have started it again meanwhile
        cluster?.restart();
      },
    }),
    async close() {
      await closeTestStores();
      await Promise.all([sharedDatabase.stop(), sharedStore.stop()]);
      await cluster?.remove();
    },
  };
}
