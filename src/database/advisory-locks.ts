import type pg from 'pg';
import { UserError } from '../errors.js';

/**
 * Keys of advisory locks: arbitrary numbers that nothing else in the database locks. 4242010 is taken, too: with it,
 * sql/02_staging/open_staging.sql takes a lane.
 */
export const ADVISORY_LOCK = {
  /** sql/06_runs/try_take_over.sql elects the one mechanism Y that works. */
  election: 4242001,
  /** Two migrations at once run one after the other. */
  migration: 4242002,
  /** One audit at a time. */
  audit: 4242003,
  /** One benchmark at a time. */
  bench: 4242004,
} as const;

/** Keeps every mechanism Y standing by until this session unlocks the election, or ends. @throws UserError if one works. */
export async function lockElection(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ is_free: boolean }>('select pg_try_advisory_lock($1) as is_free', [
    ADVISORY_LOCK.election,
  ]);
  if (!rows[0]?.is_free)
    throw new UserError('mechanism Y is at work, or a rebuild: stop it first, then run this again');
}
