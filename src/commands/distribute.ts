import { distribute, prepareDistribution } from '../database/distribution.js';
import { explainRefusal } from '../database/explain-refusal.js';
import { migrate } from '../database/schema.js';
import { WRITES_IN_SESSIONS } from '../database/server-check.js';
import { UsageError } from '../errors.js';
import { counted } from '../text/numbers.js';
import { withClient, withDatabase } from './with-database.js';

/** Each shard costs memory and time on every server; Citus itself advises against more than some hundreds. */
const MOST_SHARDS = 1024;

/** `npm run distribute [-- --shards N]`: distributes the running state over the workers of Citus. @throws UsageError */
export async function runDistribute(options: { shards?: string }): Promise<void> {
  const shards = options.shards === undefined ? undefined : Number(options.shards);
  if (shards !== undefined && !(/^\d{1,4}$/.test(options.shards!) && shards >= 1 && shards <= MOST_SHARDS)) {
    throw new UsageError([
      `--shards must be a whole number from 1 to ${MOST_SHARDS}, not "${options.shards}"`,
    ]);
  }
  await withDatabase(async (config, log) => {
    const done = await explainRefusal(config, () =>
      withClient(config, WRITES_IN_SESSIONS, async (client) => {
        await prepareDistribution(client);
        await migrate(client, log);
        const found = await distribute(client, shards);
        // it grants the rights on what is new
        if (found.distributed.length > 0) await migrate(client, log);
        return found;
      }),
    );
    if (done.shards < done.workers)
      log.warn(
        `with ${counted(done.shards, 'shard')}, ${counted(done.workers, 'worker')} cannot all have one`,
      );
    const where = `over ${counted(done.workers, 'worker')} in ${counted(done.shards, 'shard')}`;
    process.stdout.write(
      done.distributed.length === 0
        ? `The state is distributed ${where} already.\n`
        : `Distributed ${where}:\n${done.distributed.map((name) => `  ${name}\n`).join('')}`,
    );
  });
}
