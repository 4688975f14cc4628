import type pg from 'pg';
import { UserError, hasSqlState, messageOf } from '../errors.js';
import { audit, type Audit, type AuditOptions } from './audit.js';
import { copyReplayedPairs } from './copy-tables.js';
import { beginSnapshot } from './snapshot.js';

/** The chunk of the checkpoint; 0 if there is none. */
export async function checkpointedChunk(session: pg.Client): Promise<number> {
  const { rows } = await session.query<{ chunk_no: string }>('select chunk_no from bankpulse.checkpoint');
  return Number(rows[0]?.chunk_no ?? 0);
}

/** How far a state is trusted that becomes a checkpoint. */
export interface Trust {
  /** Takes the state as it is, for a ledger that cannot be replayed any more, or not in time. */
  unverified?: boolean;
  /** Replays from the first chunk, and does not trust the former checkpoint. */
  fromStart?: boolean;
}

/**
 * Stores a checkpoint of this chunk, or of a later one, unless there is one. What is pruned afterwards cannot be
 * replayed any more, so no later audit could find damage that the checkpoint holds. So the checkpoint is the state that an
 * audit has found to be right. It does not read the detection files: no later comparison of them needs what is pruned.
 * @returns the audit, if it has found differences: then no checkpoint is stored.
 */
export async function bringCheckpointUpTo(
  options: AuditOptions,
  chunkNo: number,
  { unverified = false, fromStart = false }: Trust = {},
): Promise<Audit | undefined> {
  const { session } = options;
  if (!fromStart && (await checkpointedChunk(session)) >= chunkNo) return undefined;
  if (unverified) {
    await storeStateAsIs(session);
    return undefined;
  }
  const found = await audit(options, {
    ...{ withoutFiles: true, fromStart },
    whenClean: (scratch, { lastChunkNo }) => storeReplayedState(scratch, session, lastChunkNo, fromStart),
  });
  return found.differences.length === 0 ? undefined : found;
}

/** Stores the state that a replay gave after a chunk, in one transaction. */
async function storeReplayedState(
  scratch: pg.Client,
  session: pg.Client,
  chunkNo: number,
  fromStart: boolean,
): Promise<void> {
  const begin = (client: pg.Client) => client.query('begin isolation level read committed');
  await inTransaction(session, begin, async () => {
    // else the new one would say up to which chunk the former was not verified
    if (fromStart) await session.query('select bankpulse.drop_checkpoint()');
    await session.query('select bankpulse.open_checkpoint(p_chunk_no => $1, p_is_verified => true)', [
      chunkNo,
    ]);
    await copyReplayedPairs(scratch, session, 'copy bankpulse.checkpoint_pairs from stdin');
    await session.query('select bankpulse.close_checkpoint()');
  });
}

/**
 * Stores the running state as it is, without a replay, as of one moment.
 * @throws UserError if its number of transactions is not that of the ledger.
 */
async function storeStateAsIs(session: pg.Client): Promise<void> {
  try {
    await inTransaction(session, beginSnapshot, async () => {
      await session.query('select bankpulse.take_checkpoint()');
    });
  } catch (error) {
    if (!hasSqlState(error, 'checkpointDiffers')) throw error;
    throw new UserError(
      `the state is damaged, and nothing is pruned: ${messageOf(error)}; run "npm run rebuild" if the chunk objects are still there, else restore a dump`,
    );
  }
}

async function inTransaction(
  session: pg.Client,
  begin: (session: pg.Client) => Promise<unknown>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await begin(session);
    await work();
    await session.query('commit');
  } catch (error) {
    await session.query('rollback').catch(() => undefined); // the session may be lost; the first error says why
    throw error;
  }
}
