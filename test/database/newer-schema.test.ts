import { expect } from 'chai';
import { migrate, pendingChanges } from '../../src/database/schema.js';
import { UserError } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { version } from '../../src/config.js';
import { csv, useDetector } from '../support/detector.js';

const log = createLog('error');
const BACK = /Run the version that migrated it, or a later one; to go back to this one, restore a dump/;

describe('a schema that a newer version has migrated', () => {
  const current = useDetector();
  const ask = (query: string, values: unknown[] = []) => current.database.client.query(query, values);

  async function refusal(work: Promise<unknown>): Promise<string> {
    const error: unknown = await work.catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(UserError);
    expect((error as UserError).message).to.match(BACK);
    return (error as UserError).message;
  }

  /** Each way to migrate or to work is refused, with the same words; nothing is applied. */
  async function expectRefused(what: RegExp): Promise<void> {
    const { client } = current.database;
    await ask(`update bankpulse.applied_sql_files set sha256 = 'newer' where file_name like '08_ledger/%'`);
    expect(await refusal(migrate(client, log))).to.match(what);
    expect(await refusal(pendingChanges(client))).to.match(what);
    // a Y that stood by when the database was migrated, and is elected now
    await current.put(1, csv('C1,F,shop,1'));
    expect(await refusal(current.detectOnce())).to.match(what);
    expect(await current.ledger()).to.deep.equal([]);
    const { rowCount } = await ask(`select from bankpulse.applied_sql_files where sha256 = 'newer'`);
    expect(rowCount).to.be.above(5);
  }

  it('with a migration unknown here is refused by its name', async () => {
    await ask(`insert into bankpulse.migrations (name, run_on) values ('9999_of_tomorrow', now())`);
    await expectRefused(
      /^the schema is newer than this version of BankPulse; unknown here: migrations\/9999_of_tomorrow\.sql\./,
    );
  });

  it('with a file of sql/ unknown here is refused by its name', async () => {
    await ask(
      `insert into bankpulse.applied_sql_files (file_name, sha256) values ('08_ledger/of_tomorrow.sql', 'x')`,
    );
    await expectRefused(
      /unknown here: sql\/08_ledger\/of_tomorrow\.sql\. .*delete its row from bankpulse\.applied_sql_files$/,
    );
  });

  it('of a later version is refused by its number', async () => {
    await ask(`update bankpulse.pipeline set schema_version = '10.0.0'`);
    await expectRefused(
      new RegExp(
        `^the schema is newer than this version of BankPulse, which is ${version}: version 10\\.0\\.0 has migrated it\\. `,
      ),
    );
  });
});

describe('a schema of this version or an older one', () => {
  const current = useDetector();
  const ask = (query: string) => current.database.client.query(query);
  const records = async () =>
    (await ask(`select file_name from bankpulse.applied_sql_files where file_name like '%of_yesterday.sql'`))
      .rowCount;

  it('has its version recorded', async () => {
    const { rows } = await ask('select schema_version from bankpulse.pipeline');
    expect(rows).to.deep.equal([{ schema_version: version }]);
  });

  it('is brought up to date, though it has a file that this version has deleted', async () => {
    await ask(`update bankpulse.pipeline set schema_version = '0.0.9'`);
    await ask(
      `insert into bankpulse.applied_sql_files (file_name, sha256) values ('08_ledger/of_yesterday.sql', 'x')`,
    );
    await ask(
      `update bankpulse.applied_sql_files set sha256 = 'x' where file_name = '08_ledger/chunk_ms.sql'`,
    );
    const { sqlFiles } = await migrate(current.database.client, log);
    expect(sqlFiles).to.include('08_ledger/chunk_ms.sql');
    expect(await records()).to.equal(0);
    const { rows } = await ask('select schema_version from bankpulse.pipeline');
    expect(rows).to.deep.equal([{ schema_version: version }]);
  });

  it('may have had a pattern that the user has deleted since', async () => {
    await ask(
      `insert into bankpulse.applied_sql_files (file_name, sha256) values ('04_patterns/of_yesterday.sql', 'x')`,
    );
    expect(await pendingChanges(current.database.client)).to.deep.equal({ migrations: [], sqlFiles: [] });
    await migrate(current.database.client, log);
    expect(await records()).to.equal(0);
  });
});
