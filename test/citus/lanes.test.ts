import { expect } from 'chai';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';
import { distribute } from '../../src/database/distribution.js';
import { LANES } from '../../src/database/lanes.js';
import { migrate } from '../../src/database/schema.js';
import { UserError, hasSqlState, messageOf } from '../../src/errors.js';
import { createLog } from '../../src/log.js';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { administer, onDatabase } from '../support/servers.js';

const log = createLog('error');

describeOnCitus('on Citus, the lanes', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 1 });
  let owner: string;

  async function inSession<Result>(work: (client: pg.Client) => Promise<Result>): Promise<Result> {
    const client = await connect(database().config);
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  /** As a version does that makes the lanes otherwise. */
  const makeAnew = () =>
    inSession(async (client) => {
      await client.query(
        `delete from bankpulse.applied_sql_files where file_name = '13_distribution/make_lanes.sql'`,
      );
      await migrate(client, log);
    });

  async function ownersOfLanes(): Promise<string[]> {
    const { rows } = await database().client.query<{ owner: string }>(
      `select pg_get_userbyid(nspowner) as owner from pg_namespace where nspname like 'bankpulse\\_lane\\_%'`,
    );
    return rows.map((row) => row.owner);
  }

  before(async () => {
    const { client, name } = database();
    owner = `${name}_owner`;
    await client.query(`create role ${owner} login createrole`);
    await client.query(`alter database ${name} owner to ${owner}`);
    const session = await connect({ ...database().config, user: owner });
    await migrate(session, log);
    await session.end();
  });
  after(async () => {
    for (const url of [coordinatorUrl, ...database().workers.map((worker) => worker.url)])
      await administer(onDatabase(url, 'postgres'), `drop role if exists ${owner}`);
  });

  it("are the schema's owner's, also if a superuser distributes, and migrate makes them anew", async () => {
    await inSession((client) => distribute(client, 2));
    expect(await ownersOfLanes()).to.deep.equal(Array<string>(LANES).fill(owner));
    await makeAnew();
    expect(await ownersOfLanes()).to.deep.equal(Array<string>(LANES).fill(owner));
  });

  it('are missed by name, where there are none', async () => {
    await inSession(async (client) => {
      await client.query(`begin; set local citus.multi_shard_modify_mode = 'sequential'`);
      for (let lane = 1; lane <= LANES; lane++)
        await client.query(`drop schema bankpulse_lane_${lane} cascade`);
      const error: unknown = await client
        .query('select bankpulse.open_staging()')
        .catch((thrown: unknown) => thrown);
      expect(hasSqlState(error, 'noLaneFree')).to.equal(true);
      expect(messageOf(error)).to.equal('there are no lanes: npm run migrate makes them');
      await client.query('rollback');
    });
  });

  it('are not waited for without end: migrate says that a session keeps a staged chunk', async () => {
    await inSession(async (hanging) => {
      await hanging.query('select bankpulse.open_staging()');
      await hanging.query('begin');
      await hanging.query(`insert into staged_rows values ('C1', '0000000001F', 'shop', 1)`);
      const error: unknown = await makeAnew().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(UserError);
      const { rows } = await hanging.query<{ pid: number }>('select pg_backend_pid() as pid');
      expect(messageOf(error)).to.include(`staging tables are locked (process ${rows[0]!.pid} "`);
      expect(await ownersOfLanes()).to.have.length(LANES);
    });
    await makeAnew();
  });

  it('need an owner that may create schemas only where one is missing: distribute says which grant', async () => {
    const { client, name } = database();
    await client.query(`alter database ${name} owner to ${client.user}`);
    const again = await inSession((session) => distribute(session, 2));
    expect(again.distributed).to.deep.equal([]);
    await client.query('drop schema bankpulse_lane_1 cascade');
    const error: unknown = await inSession((session) => distribute(session, 2)).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(UserError);
    const statement = `grant create on database ${name} to ${owner}`;
    expect(messageOf(error)).to.include(
      `may not create the schemas of the staging tables: say "${statement}"`,
    );
    await client.query(statement);
    const made = await inSession((session) => distribute(session, 2));
    expect(made.distributed).to.deep.equal(['bankpulse_lane_1']);
    await client.query(`alter database ${name} owner to ${owner}`);
  });
});
