import { randomBytes } from 'node:crypto';
import type { Suite } from 'mocha';
import type pg from 'pg';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { connect } from '../../src/database/connection.js';
import { cloneOf, onDatabase, sharedDatabase, type Template } from './servers.js';

export interface TestDatabase {
  name: string;
  url: string;
  config: pg.ClientConfig;
  /** For the test's own questions; ends with the database. */
  client: pg.Client;
}

let administrator: Promise<pg.Client> | undefined;

/** On the one session that this process has for that, since a test opens enough of them. */
async function administerServer(statement: string): Promise<void> {
  administrator ??= openAdministration();
  await (await administrator).query(statement);
}

async function openAdministration(): Promise<pg.Client> {
  const { url } = await sharedDatabase.address();
  const client = await connect({ connectionString: url });
  // the soak kills the server; the next statement then opens another session
  client.once('end', () => (administrator = undefined));
  return client;
}

/** For the root hook that runs after all tests of a process, or of a file. */
export async function endAdministration(): Promise<void> {
  const ending = administrator;
  administrator = undefined;
  await (await ending)?.end();
}

/** A new database: a clone of a template, or without even the schema. Whoever makes it drops it. */
export async function createTestDatabase(template: Template | 'bare'): Promise<TestDatabase> {
  const { templates } = await sharedDatabase.address();
  return clone(template === 'bare' ? 'template0' : templates[template]);
}

/** A new database with all that this one has, which no other session uses. */
export async function copyTestDatabase(source: TestDatabase): Promise<TestDatabase> {
  await source.client.end();
  const copy = await clone(source.name);
  source.client = await connect(source.config);
  return copy;
}

async function clone(source: string): Promise<TestDatabase> {
  const { url: serverUrl } = await sharedDatabase.address();
  // with this process's number: no other worker makes or drops it
  const name = `bankpulse_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  await administerServer(cloneOf(name, source));
  const url = onDatabase(serverUrl, name);
  const { config } = readDatabaseUrl(url);
  return { name, url, config, client: await connect(config) };
}

export async function dropTestDatabase({ name, client }: TestDatabase): Promise<void> {
  await client.end();
  await administerServer(`drop database if exists ${name} with (force)`);
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
