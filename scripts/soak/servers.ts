import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from '../../test/support/faults/place.js';
import { closeTestStores, testObjectStore, type TestObjectStore } from '../../test/support/s3.js';
import { sharedDatabase, sharedStore } from '../../test/support/servers.js';
import { Cluster } from './cluster.js';

/** The servers of a soak. Ends with `close`. */
export interface Servers {
  s3: TestObjectStore;
  description: string;
  /** Kills PostgreSQL and has it started again; none for a server that is not the soak's own. */
  crash?: (place: Place, pauseMs: number) => Promise<void>;
  close(): Promise<void>;
}

/** As `pg_ctl -m immediate stop`: SIGQUIT to the first of the server's processes, which runs on this machine. */
async function killServer(place: Place): Promise<void> {
  const [row] = await place.ask<{ pid: number }>(
    `select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int as pid`,
  );
  process.kill(row!.pid, 'SIGQUIT');
}

/**
 * A PostgreSQL from `postgresBin`, or the one at TEST_DATABASE_URL or DATABASE_URL, or an embedded one; the S3 server at
 * TEST_S3_ENDPOINT or AWS_ENDPOINT_URL_S3, or an embedded one.
 */
export async function openServers(postgresBin: string | undefined): Promise<Servers> {
  const cluster = postgresBin === undefined ? undefined : await Cluster.start(postgresBin);
  const url = cluster?.url || process.env.TEST_DATABASE_URL || process.env.DATABASE_URL;
  const endpoint = process.env.TEST_S3_ENDPOINT || process.env.AWS_ENDPOINT_URL_S3;
  // where the tests' own helpers look
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
        // an embedded one has been started again meanwhile, by its supervisor's clients
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
