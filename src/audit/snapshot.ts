import type pg from 'pg';
import { isDistributed } from '../database/distribution.js';

/**
 * Begins a transaction that reads all tables as of one moment. On one PostgreSQL a snapshot gives that, and mechanism Y goes
 * on meanwhile. Over several servers there is no common snapshot: the transaction locks the lease, so mechanism Y waits until it
 * ends, and it waits itself until each worker has committed the last chunk. The lock needs the right of bankpulse_writer.
 */
export async function beginSnapshot(source: pg.Client): Promise<void> {
  if (!(await isDistributed(source))) {
    await source.query('begin isolation level repeatable read');
    return;
  }
  await source.query('begin isolation level read committed');
  await source.query('select from bankpulse.pipeline_lease for update');
  await source.query('select bankpulse.await_workers()');
}
