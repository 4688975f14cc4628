import type pg from 'pg';
import type { ObjectStore } from '../s3/object-store.js';

/** A service that takes longer to answer is not ready. */
export const PROBE_MS = 2000;

/** Asks a service for an answer. @throws if there is none. */
export type Probe = () => Promise<unknown>;

/** Each probe uses a new connection, with a time limit. */
export function probeDatabase(config: pg.ClientConfig): Probe {
  return async () => {
    // loaded only here: mechanism X has no database
    const { connect } = await import('../database/connection.js');
    const client = await connect({ ...config, connectionTimeoutMillis: PROBE_MS, query_timeout: PROBE_MS });
    try {
      await client.query('select 1');
    } finally {
      void client.end().catch(() => undefined);
    }
  };
}

/** Lists one key. */
export function probeObjectStore(store: ObjectStore, prefix: string): Probe {
  return () => store.checkAccess(prefix, AbortSignal.timeout(PROBE_MS));
}
