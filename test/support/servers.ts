import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectDir } from '../../src/config.js';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { migrate } from '../../src/database/schema.js';
import { useEmbedded, type EmbeddedServices } from '../../src/embedded/client.js';
import { createLog } from '../../src/log.js';

/**
 * The servers that all tests share. `npm test`, and with `--parallel` mocha's first process, start both before the first
 * file, and the workers find their addresses in the environment; otherwise each server starts when a test first asks for it.
 */

/**
 * Databases that each test's own is cloned from: one with the schema alone, one with thresholds that small chunks reach and
 * the weights of WEIGHTS_CSV, one with test/seed.sql.
 */
export type Template = 'empty' | 'sensitive' | 'seeded';

export interface SharedDatabase {
  /** Of a role that may create databases and roles. */
  url: string;
  templates: Record<Template, string>;
}

export interface SharedStore {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
}

interface Running<Address> {
  address: Address;
  stop: () => Promise<void>;
}

/** One server: started at most once, by this process or by one before it. */
class SharedServer<Address> {
  /** What a process before this one has announced. */
  readonly #announced: string | undefined;
  #running: Promise<Running<Address>> | undefined;

  constructor(
    /** The variable that tells the workers its address. */
    private readonly variable: string,
    private readonly start: () => Promise<Running<Address>>,
  ) {
    this.#announced = process.env[variable];
  }

  async address(): Promise<Address> {
    if (this.#announced !== undefined) return JSON.parse(this.#announced) as Address;
    this.#running ??= this.start();
    return (await this.#running).address;
  }

  /** For the processes that inherit the environment. */
  async announce(): Promise<void> {
    process.env[this.variable] = JSON.stringify(await this.address());
  }

  /** Ends what this process has started. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await (await running)?.stop();
  }
}

/** An embedded server in a home of its own, which goes with it. */
async function startEmbedded(needs: { postgres: boolean; s3: boolean }): Promise<Running<EmbeddedServices>> {
  const home = await mkdtemp(join(tmpdir(), 'bankpulse-test-home-'));
  // when root runs the tests, PostgreSQL runs as another user, who must be able to enter
  await chmod(home, 0o711);
  const services = await useEmbedded(home, needs);
  return {
    address: services,
    stop: async () => {
      await services.release();
      await rm(home, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

/** Runs statements in a session of their own. */
export async function administer(url: string, ...statements: string[]): Promise<void> {
  const client = await connect({ connectionString: url });
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

export function onDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

/**
 * With `strategy file_copy`, which is fast on a server without fsync: the default logs each page, and the drop of the
 * database has to wait until they all are written.
 */
export const cloneOf = (name: string, template: string) =>
  `create database ${name} template ${template} strategy file_copy`;

const SENSITIVE = `
  update bankpulse.patterns as pattern
  set thresholds = pattern.thresholds || lower.thresholds
  from (values
    ('PatId1', jsonb '{"merchant_transactions_above": 20}'),
    ('PatId2', jsonb '{"transactions_from": 2}'),
    ('PatId3', jsonb '{"female_customers_above": 2}')
  ) as lower (pattern_id, thresholds)
  where pattern.pattern_id = lower.pattern_id`;

/** A mechanism Y that is given this file has nothing to load. */
export const WEIGHTS_CSV = 'Source,Target,Weight\nC1,shop,1\n';

async function loadWeights(client: pg.Client): Promise<void> {
  await client.query(
    `insert into bankpulse.customer_weights (merchant_id, customer_id, average_weight)
     values ('shop', 'C1', bankpulse.exact_average(1, 1))`,
  );
  await client.query(
    `insert into bankpulse.importance_file (file_name, fingerprint, row_count, rejected_count, loaded_at)
     values ('importance.csv', encode(sha256(convert_to($1, 'UTF8')), 'hex'), 1, 0, clock_timestamp())`,
    [WEIGHTS_CSV],
  );
}

async function makeTemplates(url: string): Promise<SharedDatabase['templates']> {
  // random, since a run that was killed leaves its own behind, and process numbers come again
  const run = randomBytes(4).toString('hex');
  const nameOf = (template: Template) => `bankpulse_test_${run}_${template}`;
  const templates = { empty: nameOf('empty'), sensitive: nameOf('sensitive'), seeded: nameOf('seeded') };
  await administer(url, `create database ${templates.empty} template template0 encoding 'UTF8'`);
  const empty = await connect({ connectionString: onDatabase(url, templates.empty) });
  await migrate(empty, createLog('error'));
  await empty.end();
  await administer(
    url,
    cloneOf(templates.sensitive, templates.empty),
    cloneOf(templates.seeded, templates.empty),
  );
  const sensitive = await connect({ connectionString: onDatabase(url, templates.sensitive) });
  await sensitive.query(SENSITIVE);
  await loadWeights(sensitive);
  await sensitive.end();
  await administer(
    onDatabase(url, templates.seeded),
    await readFile(join(projectDir, 'test', 'seed.sql'), 'utf8'),
  );
  return templates;
}

/** The server at TEST_DATABASE_URL, or an embedded one. */
async function startDatabase(): Promise<Running<SharedDatabase>> {
  const url = process.env.TEST_DATABASE_URL;
  if (!url) {
    const { address, stop } = await startEmbedded({ postgres: true, s3: false });
    const databaseUrl = address.databaseUrl!;
    await administer(
      databaseUrl,
      // Only a machine that goes down loses what was not synced, and no test takes it down.
      'alter system set fsync = off',
      // A fifth of what a connection costs is the 4,096 rounds by which it proves the password; there are thousands.
      'alter system set scram_iterations = 1',
      'select pg_reload_conf()',
    );
    const { password } = new URL(databaseUrl);
    await administer(databaseUrl, `alter role current_user password '${password}'`);
    return { address: { url: databaseUrl, templates: await makeTemplates(databaseUrl) }, stop };
  }
  await administer(url).catch((error: unknown) => {
    throw new Error('no server answers at TEST_DATABASE_URL; correct or unset it (embedded then)', {
      cause: error,
    });
  });
  const templates = await makeTemplates(url);
  const stop = () =>
    administer(
      url,
      ...Object.values(templates).map((name) => `drop database if exists ${name} with (force)`),
    );
  return { address: { url, templates }, stop };
}

/** The server at TEST_S3_ENDPOINT, or an embedded one. */
async function startStore(): Promise<Running<SharedStore>> {
  const endpoint = process.env.TEST_S3_ENDPOINT;
  if (endpoint) {
    const accessKeyId = process.env.TEST_S3_ACCESS_KEY || 'bankpulse';
    const secretAccessKey = process.env.TEST_S3_SECRET_KEY || 'bankpulse-secret';
    return { address: { endpoint, accessKeyId, secretAccessKey }, stop: () => Promise.resolve() };
  }
  const { address, stop } = await startEmbedded({ postgres: false, s3: true });
  return { address: address.s3!, stop };
}

export const sharedDatabase = new SharedServer('BANKPULSE_TEST_POSTGRES', startDatabase);
export const sharedStore = new SharedServer('BANKPULSE_TEST_S3', startStore);
