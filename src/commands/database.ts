import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import type pg from 'pg';
import { projectDir } from '../config.js';
import { connectOrExplain, openViews } from '../database/connection.js';
import { UserError } from '../errors.js';
import { explainDenial, migrate } from '../database/schema.js';
import { printable } from '../text/printable.js';
import { SqlFunctions } from '../database/functions.js';
import { describeStatus, readQuarantined, readStatus } from '../database/status.js';
import type { Status, Views } from '../database/views.js';
import { withDatabase } from './with-database.js';

async function withClient<Result>(
  config: pg.ClientConfig,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await connectOrExplain(config);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** `npm run migrate` */
export async function runMigrate(): Promise<void> {
  await withDatabase(async (config, log) => {
    const { migrations, sqlFiles } = await explainDenial(config, () =>
      withClient(config, (client) => migrate(client, log)),
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

/** `npm run seed`: the small data set of the tests, for psql; only into a database without chunks. */
export async function runSeed(): Promise<void> {
  await withDatabase(async (config, log) => {
    await withClient(config, async (client) => {
      await explainDenial(config, () => migrate(client, log));
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

/** Reads of a migrated database. @throws UserError if it cannot be reached or has no schema. */
async function withViews<Result>(
  config: pg.ClientConfig,
  work: (views: Kysely<Views>, status: Status) => Promise<Result>,
): Promise<Result> {
  await withClient(config, () => Promise.resolve()); // says in one line what is wrong with the connection
  const views = openViews(config);
  try {
    return await explainDenial(config, async () => work(views, await readStatus(views)));
  } finally {
    await views.destroy();
  }
}

/** `npm run status [-- --json]` */
export async function runStatus({ json }: { json?: boolean }): Promise<void> {
  await withDatabase((config) =>
    withViews(config, async (views, status) => {
      const text = json ? JSON.stringify(status) : describeStatus(status, await readQuarantined(views));
      process.stdout.write(`${text}\n`);
    }),
  );
}

/** `npm run quarantine [-- --retry KEY]` */
export async function runQuarantine({ retry }: { retry?: string }): Promise<void> {
  await withDatabase((config) =>
    withViews(config, async (views) => {
      const quarantined = await readQuarantined(views);
      if (retry === undefined) {
        const lines = quarantined.map(
          ({ object_key, error }) => `${printable(object_key)}: ${printable(error ?? '')}\n`,
        );
        process.stdout.write(lines.length === 0 ? 'Nothing is quarantined.\n' : lines.join(''));
        return;
      }
      // or as we print it: control characters are hard to type
      const keys = quarantined.map(({ object_key }) => object_key);
      const key = keys.find((text) => text === retry) ?? keys.find((text) => printable(text) === retry);
      const wasThere =
        key !== undefined &&
        (await withClient(config, (client) => new SqlFunctions(client).retryQuarantinedChunk(key)));
      if (!wasThere) throw new UserError(`no quarantined object has the key ${printable(retry)}`);
      process.stdout.write(
        `${printable(retry)} is taken out of quarantine; mechanism Y will find it again\n`,
      );
    }),
  );
}
