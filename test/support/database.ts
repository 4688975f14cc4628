import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Suite } from 'mocha';
import pg from 'pg';
import { projectDir } from '../../src/config.js';
import { connect } from '../../src/database/connection.js';
import { useEmbedded } from '../../src/embedded/client.js';
import { createLog } from '../../src/log.js';
import { migrate } from '../../src/database/schema.js';

interface Server {
  /** A role that may create databases and roles. */
  url: string;
  release(): Promise<void>;
}

/** Databases that each test file's own is cloned from: one with the schema alone, one with test/seed.sql too. */
export type Template = 'empty' | 'seeded';

export interface TestDatabase {
  name: string;
  url: string;
  config: pg.ClientConfig;
  /** For the test's own questions; ends with the database. */
  client: pg.Client;
}

const templateNames: Record<Template, string> = {
  empty: `bankpulse_test_${process.pid}_empty`,
  seeded: `bankpulse_test_${process.pid}_seeded`,
};
let server: Promise<Server> | undefined;
let templates: Promise<void> | undefined;

/** The server at TEST_DATABASE_URL, or an embedded one of this process. */
async function startServer(): Promise<Server> {
  const url = process.env.TEST_DATABASE_URL;
  if (url) {
    try {
      await (await connect({ connectionString: url })).end();
    } catch (error) {
      throw new Error('no server answers at TEST_DATABASE_URL; correct or unset it (embedded then)', {
        cause: error,
      });
    }
    return { url, release: () => Promise.resolve() };
  }
  const home = await mkdtemp(join(tmpdir(), 'bankpulse-test-db-'));
  // when root runs the tests, PostgreSQL runs as another user, who must come in
  await chmod(home, 0o711);
  const services = await useEmbedded(home, { postgres: true, s3: false });
  // Only a machine that goes down loses what was not synced, and no test takes it down. A server that is killed does not.
  const client = await connect({ connectionString: services.databaseUrl });
  await client.query('alter system set fsync = off');
  await client.query('select pg_reload_conf()');
  await client.end();
  return {
    url: services.databaseUrl!,
    async release() {
      await services.release();
      await rm(home, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

async function serverUrl(database?: string): Promise<string> {
  server ??= startServer();
  const url = new URL((await server).url);
  if (database !== undefined) url.pathname = `/${database}`;
  return url.href;
}

/** Runs a statement on the server, outside any test database. */
async function administer(statement: string): Promise<void> {
  const client = await connect({ connectionString: await serverUrl() });
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function makeTemplates(): Promise<void> {
  await administer(`create database ${templateNames.empty} template template0 encoding 'UTF8'`);
  const empty = await connect({ connectionString: await serverUrl(templateNames.empty) });
  await migrate(empty, createLog('error'));
  await empty.end();
  await administer(`create database ${templateNames.seeded} template ${templateNames.empty}`);
  const seeded = await connect({ connectionString: await serverUrl(templateNames.seeded) });
  await seeded.query(await readFile(join(projectDir, 'test', 'seed.sql'), 'utf8'));
  await seeded.end();
}

/** A new database: a clone of a template, or without even the schema. Whoever makes it drops it. */
export async function createTestDatabase(template: Template | 'bare'): Promise<TestDatabase> {
  templates ??= makeTemplates();
  await templates;
  const name = `bankpulse_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await administer(
    `create database ${name} template ${template === 'bare' ? 'template0' : templateNames[template]}`,
  );
  const url = await serverUrl(name);
  const config = { connectionString: url };
  return { name, url, config, client: await connect(config) };
}

export async function dropTestDatabase({ name, client }: TestDatabase): Promise<void> {
  await client.end();
  await administer(`drop database if exists ${name} with (force)`);
}

/** Of the roles that tests make; has what must be escaped in URLs and password files. */
export const PASSWORD = 'secret:\\of a test';

/** With a role of the server that can log in, until `work` is done. */
export async function withRole(
  { name, url, client }: TestDatabase,
  attributes: string,
  work: (url: string, role: string) => Promise<void>,
): Promise<void> {
  const role = `${name}_role`;
  await client.query(`create role ${role} login ${attributes} password '${PASSWORD}'`);
  try {
    const roleUrl = new URL(url);
    roleUrl.username = role;
    roleUrl.password = encodeURIComponent(PASSWORD);
    await work(roleUrl.href, role);
  } finally {
    await client.query(`drop role ${role}`);
  }
}

function hasFailed(suite: Suite): boolean {
  return suite.tests.some((test) => test.state === 'failed') || suite.suites.some(hasFailed);
}

/**
 * A database for the suite it is called in. It is dropped afterwards, unless a test failed on a server that stays:
 * then its name is printed.
 */
export function useDatabase(template: Template | 'bare'): () => TestDatabase {
  let database: TestDatabase;
  before(async () => {
    database = await createTestDatabase(template);
  });
  after(async function () {
    if (process.env.TEST_DATABASE_URL && this.test?.parent && hasFailed(this.test.parent)) {
      await database.client.end();
      process.stderr.write(`a test failed; its database is kept: ${database.name}\n`);
    } else await dropTestDatabase(database);
  });
  return () => database;
}

/** For the root hook that runs after all tests. */
export async function stopTestDatabase(): Promise<void> {
  if (!server) return;
  if (templates) {
    await templates.catch(() => undefined);
    for (const name of Object.values(templateNames))
      await administer(`drop database if exists ${name} with (force)`);
  }
  await (await server).release();
  server = undefined;
}
