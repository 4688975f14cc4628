import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectDir } from '../config.js';
import { explainRefusal } from '../database/explain-refusal.js';
import { migrate } from '../database/schema.js';
import { WRITES_IN_SESSIONS } from '../database/server-check.js';
import { UserError } from '../errors.js';
import { withClient, withDatabase } from './with-database.js';

/** `npm run seed`: the small data set of the tests, for psql; only into a database without chunks. */
export async function runSeed(): Promise<void> {
  await withDatabase(async (config, log) => {
    await withClient(config, WRITES_IN_SESSIONS, async (client) => {
      await explainRefusal(config, () => migrate(client, log));
      const seed = await readFile(join(projectDir, 'test', 'seed.sql'), 'utf8');
      const { rows } = await client.query<{ is_used: boolean }>(
        'select exists (select from bankpulse.chunks) as is_used',
      );
      if (rows[0]?.is_used) {
        throw new UserError('this database has chunks already; the seed is for an empty one');
      }
      await client.query(seed);
    });
    process.stdout.write('Seed loaded. To look at it: npm run psql\n');
  });
}
