import { explainRefusal } from '../database/explain-refusal.js';
import { migrate } from '../database/schema.js';
import { WRITES_IN_SESSIONS } from '../database/server-check.js';
import { withClient, withDatabase } from './with-database.js';

/** `npm run migrate`: brings the schema up to date, and prints the files it applied. */
export async function runMigrate(): Promise<void> {
  await withDatabase(async (config, log) => {
    const { migrations, sqlFiles } = await explainRefusal(config, () =>
      withClient(config, WRITES_IN_SESSIONS, (client) => migrate(client, log)),
    );
    const changes = [
      ...migrations.map((name) => `migrations/${name}.sql`),
      ...sqlFiles.map((name) => `sql/${name}`),
    ];
    process.stdout.write(
      changes.length === 0
        ? 'The schema is up to date.\n'
        : `Applied:\n${changes.map((name) => `  ${name}\n`).join('')}`,
    );
  });
}
