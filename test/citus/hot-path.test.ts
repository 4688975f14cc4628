import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type pg from 'pg';
import { transactionColumns } from '../../src/csv/header.js';
import { connect } from '../../src/database/connection.js';
import { stageCsv } from '../../src/loader/stage.js';
import { blocksOf } from '../support/bytes.js';
import { ChunkDriver } from '../support/chunks.js';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { csv, until } from '../support/detector.js';

const SHARDS = 4;
/** Of the state: pairs in each shard, of which a chunk touches few. */
const MERCHANTS = 20;
const CUSTOMERS = 4000;

describeOnCitus('on Citus, the hot path', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: SHARDS });
  before(async () => {
    await database().client.query(
      `insert into bankpulse.customer_merchant_stats
       select 'M' || merchant, 'C' || customer, 'M', 1, 100
       from generate_series(1, ${MERCHANTS}) as merchants (merchant)
       cross join generate_series(1, ${CUSTOMERS}) as customers (customer);
       insert into bankpulse.merchant_stats
       select 'M' || merchant, ${CUSTOMERS}, ${CUSTOMERS}, 0, ${CUSTOMERS}
       from generate_series(1, ${MERCHANTS}) as merchants (merchant);
       analyze bankpulse.customer_merchant_stats`,
    );
  });

  /** Known and new customers of each merchant; none passes PatId1's threshold. */
  const chunk = (number: number) =>
    csv(
      ...Array.from(
        { length: 600 },
        (_, index) =>
          `${index % 10 ? `C${((number * 600 + index) % CUSTOMERS) + 1}` : `N${number}-${index}`},M,M${(index % MERCHANTS) + 1},100`,
      ),
    );

  /** As mechanism Y does. */
  async function apply(driver: ChunkDriver, number: number): Promise<void> {
    await stageCsv(driver.client, () => blocksOf(chunk(number)), transactionColumns);
    await driver.functions.processChunk({
      runId: driver.runId,
      objectKey: `chunk_${number}.csv`,
      etag: 'test',
      sizeBytes: 0,
      copyMs: 0,
      batchRows: 50,
      detectionsPrefix: 'detections/',
    });
    await driver.client.query('commit');
  }

  /** Rows that sequential scans of the shards have read so far, and scans of their indexes. */
  async function reads(client: pg.Client): Promise<{ sequential: number; byIndex: number }> {
    const { rows } = await client.query<{ sequential: number; byIndex: number }>(
      `select sum(split_part(result, ' ', 1)::int)::int as sequential, sum(split_part(result, ' ', 2)::int)::int as "byIndex"
       from run_command_on_shards(
         'bankpulse.customer_merchant_stats',
         $$select seq_tup_read || ' ' || idx_scan from pg_stat_user_tables where relid = '%s'::regclass$$
       )`,
    );
    return rows[0]!;
  }

  it('sends each shard 11 statements a chunk, pulls no rows to the coordinator, and reads no shard whole', async () => {
    const former = await connect(database().config);
    const formerDriver = await ChunkDriver.start(former);
    for (const number of [1, 2]) await apply(formerDriver, number); // the rules are new to the first
    await former.end();
    // a session of a worker tells what it has read when it ends, or a second later
    let before = await reads(database().client);
    await until('the workers have told what was read', async () => {
      await sleep(1100);
      const last = before;
      before = await reads(database().client);
      return last.byIndex === before.byIndex && last.sequential === before.sequential;
    });

    const client = await connect(database().config);
    const driver = await ChunkDriver.start(client);
    await apply(driver, 3); // a session truncates its lane at the first
    const said: string[] = [];
    client.on('notice', ({ message }) => said.push(message ?? ''));
    await client.query('set citus.log_remote_commands = on; set client_min_messages = debug1');
    await apply(driver, 4);
    await client.query('reset client_min_messages; reset citus.log_remote_commands');

    expect(
      said.filter((message) => /generating subplan|on coordinator|read_intermediate_result/i.test(message)),
    ).to.deep.equal([]);
    const commands = said.filter((message) => message.startsWith('issuing ')).map((text) => text.slice(8));
    const counted = commands.filter((text) => !/^(begin|copy|prepare|commit)/i.test(text));
    const kinds = [...new Set(counted.map((text) => text.replace(/_\d{6,}/g, '_N').slice(0, 90)))];
    expect(counted.length / SHARDS, kinds.join('\n')).to.equal(11);

    await client.end();
    const after = await until('the workers tell what was read', async () => {
      const found = await reads(database().client);
      return found.byIndex > before.byIndex && found;
    });
    expect(after.sequential - before.sequential).to.equal(0);
  });
});
