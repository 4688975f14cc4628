import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { connect } from '../../src/database/connection.js';
import { DisposableDatabase } from '../../src/database/disposable-database.js';
import { useDatabase, withRole } from '../support/database.js';

describe('a disposable database', () => {
  const database = useDatabase('bare');

  async function exists(name: string): Promise<boolean> {
    const { rows } = await database().client.query('select from pg_database where datname = $1', [name]);
    return rows.length > 0;
  }

  it('is dropped though a session is at work in it', async () => {
    const disposable = new DisposableDatabase(database().config, 'scratch', 'a test');
    await disposable.create();
    const session = await connect(disposable.config);
    try {
      await disposable.drop();
      expect(await exists(disposable.name)).to.equal(false);
    } finally {
      await session.end();
    }
  });

  it('is dropped by a role with a session of its own in it, once those have gone that it may not end', async () => {
    await withRole(database(), 'createdb', async (url) => {
      const disposable = new DisposableDatabase(readDatabaseUrl(url).config, 'scratch', 'a test');
      await disposable.create();
      const othersUrl = new URL(database().url);
      othersUrl.pathname = `/${disposable.name}`;
      const others = await connect({ connectionString: othersUrl.href });
      const own = await connect(disposable.config);
      const dropping = disposable.drop();
      try {
        await sleep(500); // the first try with force is over, and the one without waits 5 s
        expect(await exists(disposable.name)).to.equal(true);
      } finally {
        await others.end();
        await dropping;
        await own.end();
      }
      expect(await exists(disposable.name)).to.equal(false);
    });
  });

  it('of the same name is left alone if it bears another mark', async () => {
    const { config, client } = database();
    const disposable = new DisposableDatabase(config, 'scratch', 'a test');
    await disposable.create();
    try {
      await new DisposableDatabase(config, 'scratch', 'another').drop();
      expect(await exists(disposable.name)).to.equal(true);
      const error: unknown = await new DisposableDatabase(config, 'scratch', 'another').create().then(
        () => expect.fail('it was made'),
        (thrown: unknown) => thrown,
      );
      expect(String(error)).to.include('exists, and BankPulse did not create it');
    } finally {
      await client.query(`drop database ${disposable.name}`);
    }
  });
});
