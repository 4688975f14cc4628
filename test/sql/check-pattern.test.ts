import { expect } from 'chai';
import type pg from 'pg';
import { useDatabase } from '../support/database.js';
import { ChunkDriver, times } from '../support/chunks.js';
import { installTestPatterns } from '../support/patterns.js';

/** The code and message of the error that a query ends with. */
async function failure(client: pg.Client, query: string): Promise<string> {
  return client.query(query).then(
    () => 'no error',
    (error: pg.DatabaseError) => `${error.code} ${error.message}`,
  );
}

describe('a row of patterns', () => {
  const database = useDatabase('empty');
  before(() => installTestPatterns(database().client));

  const FUNCTION = `(p_thresholds jsonb) returns table (merchant_id text, customer_id text, reason jsonb)
    language sql stable`;
  before(() =>
    database().client.query(
      `create function bankpulse.match_owner() returns int language sql return 1;
       create function bankpulse.match_less(p_thresholds jsonb) returns int language sql return 1;
       create function bankpulse.match_definer${FUNCTION} security definer
         begin atomic select '', '', '{}'::jsonb where false; end`,
    ),
  );

  for (const [fault, change, expected] of [
    [
      'a misspelt match function',
      `match_function = 'match_chilld'`,
      'function bankpulse.match_chilld with one argument of type jsonb does not exist',
    ],
    [
      'one with other arguments',
      `match_function = 'match_owner'`,
      'function bankpulse.match_owner with one argument of type jsonb does not exist',
    ],
    [
      'one with another result',
      `match_function = 'match_less'`,
      'function bankpulse.match_less does not return table (merchant_id text, customer_id text, reason jsonb)',
    ],
    [
      "one with its owner's rights",
      `match_function = 'match_definer'`,
      "function bankpulse.match_definer is security definer: it must run with the rights of mechanism Y's role",
    ],
    [
      'a misspelt detect function',
      `detect_function = 'detect child'`,
      'function bankpulse.detect child with one argument of type jsonb does not exist',
    ],
    [
      'a threshold that is text',
      `thresholds = thresholds || '{"transactions_from": "80"}'`,
      'threshold "transactions_from" is not a number',
    ],
    [
      'a threshold that is null',
      `thresholds = thresholds || '{"transactions_from": null}'`,
      'threshold "transactions_from" is not a number',
    ],
    [
      'a threshold that does not say how it compares',
      `thresholds = thresholds || '{"transactions": 80}'`,
      'threshold "transactions" does not end in _from, _above, _below or _up_to',
    ],
    [
      'a table that does not exist',
      `remembers = '{child_counts}'`,
      'table bankpulse.child_counts, or its view bankpulse.derived_child_counts, does not exist',
    ],
  ] as const) {
    it(`with ${fault} is refused when it is written`, async () => {
      expect(
        await failure(
          database().client,
          `update bankpulse.patterns set ${change} where pattern_id = 'PatId2'`,
        ),
      ).to.equal(`BP006 pattern PatId2: ${expected}`);
    });
  }

  it('without a threshold that the match function needs is refused, unless it is disabled', async () => {
    const { client } = database();
    const change = `thresholds = '{"transactions_from": 80}' where pattern_id = 'PatId2'`;
    expect(await failure(client, `update bankpulse.patterns set ${change}`)).to.equal(
      'BP004 pattern PatId2: function bankpulse.match_child: threshold "average_amount_below" is missing; the row has: transactions_from',
    );
    await client.query('begin');
    await client.query(`update bankpulse.patterns set is_enabled = false, ${change}`);
    expect(
      await failure(client, `update bankpulse.patterns set is_enabled = true where pattern_id = 'PatId2'`),
    ).to.equal(
      'BP004 pattern PatId2: function bankpulse.match_child: threshold "average_amount_below" is missing; the row has: transactions_from',
    );
    await client.query('rollback');
  });

  it('may lack thresholds while it is disabled: the views of its file are empty then, and raise no error', async () => {
    const { client } = database();
    await client.query('begin');
    await client.query(
      `insert into bankpulse.merchant_stats values ('m', 9, 3, 1, 1);
       insert into bankpulse.customer_weights values ('m', 'c', 1);
       update bankpulse.patterns set is_enabled = false, thresholds = '{}' where pattern_id = 'PatId1'`,
    );
    const counts: Record<string, number> = {};
    for (const view of ['merchants_near_threshold', 'merchant_tops', 'low_weights', 'dashboard_low_weights'])
      counts[view] = (await client.query(`select from bankpulse.${view}`)).rowCount!;
    for (const view of ['count_histogram', 'top_counts'])
      counts[view] = (await client.query(`select from bankpulse.derived_merchant_${view}`)).rowCount!;
    counts.candidates = (await client.query('select from bankpulse.derived_upgrade_candidates')).rowCount!;
    await client.query('rollback');
    expect([...new Set(Object.values(counts))], JSON.stringify(counts)).to.deep.equal([0]);
  });

  it('may be changed where it is right: action, description, sentence, other thresholds', async () => {
    const { client } = database();
    await client.query('begin');
    const { rowCount } = await client.query(
      `update bankpulse.patterns
       set
         action_type = 'OTHER', description = 'Other.', reason_template = null,
         thresholds = '{"transactions_from": -1.5e3, "average_amount_below": 0.00001}'
       where pattern_id = 'PatId2'`,
    );
    await client.query('rollback');
    expect(rowCount).to.equal(1);
  });
});

describe('the engine', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
  });

  it('judges a pattern that appears, is enabled or gets another function over all state, with the next chunk', async () => {
    const { client } = driver;
    await driver.apply(times(3, { customer: 'early', merchant: 'm', amount: 400 }));
    await installTestPatterns(client);
    await driver.settle();
    expect(await driver.detected('PatId4', 'm')).to.deep.equal(['early']);
    await client.query(`update bankpulse.patterns set is_enabled = false where pattern_id = 'PatId4'`);
    await driver.apply(times(3, { customer: 'while disabled', merchant: 'm', amount: 400 }));
    expect(await driver.detected('PatId4', 'm')).to.deep.equal(['early']);
    await client.query(`update bankpulse.patterns set is_enabled = true where pattern_id = 'PatId4'`);
    await driver.settle();
    expect(await driver.detected('PatId4', 'm')).to.deep.equal(['early', 'while disabled']);
    await driver.apply(times(1, { customer: 'small', merchant: 'm', amount: 1 }));
    await client.query(
      `create or replace function bankpulse.match_big_spender(p_thresholds jsonb)
       returns table (merchant_id text, customer_id text, reason jsonb)
       language sql stable
       begin atomic
         select stats.merchant_id, stats.customer_id, jsonb_build_object('total_amount', stats.total_amount)
         from bankpulse.customer_merchant_stats as stats
         where stats.total_amount < bankpulse.threshold(p_thresholds, 'total_amount_from');
       end`,
    );
    await driver.settle();
    expect(await driver.detected('PatId4', 'm')).to.deep.equal(['early', 'while disabled', 'small']);
  });

  it('keeps every set of rules once, with the chunk they began with', async () => {
    const { rows } = await driver.client.query<{ first_chunk_no: number; enabled: string }>(
      `select
         first_chunk_no::int, (select string_agg(id, ' ' order by id) from jsonb_object_keys(patterns) as ids (id)) as enabled
       from bankpulse.rules_history order by first_chunk_no`,
    );
    expect(rows).to.deep.equal([
      { first_chunk_no: 1, enabled: 'PatId1 PatId2 PatId3' },
      { first_chunk_no: 2, enabled: 'PatId1 PatId2 PatId3 PatId4 PatId5' },
      { first_chunk_no: 3, enabled: 'PatId1 PatId2 PatId3 PatId5' },
      { first_chunk_no: 6, enabled: 'PatId1 PatId2 PatId3 PatId4 PatId5' },
    ]);
    const { rows: unknown } = await driver.client.query(
      `select chunk_no from bankpulse.chunks
       where rules_hash not in (select rules_hash from bankpulse.rules_history)`,
    );
    expect(unknown).to.deep.equal([]);
  });

  it('names the pattern whose function fails, and leaves nothing of the chunk behind', async () => {
    const { client } = driver;
    await client.query(
      `create or replace function bankpulse.match_big_spender(p_thresholds jsonb)
       returns table (merchant_id text, customer_id text, reason jsonb)
       language sql stable
       begin atomic
         select stats.merchant_id, stats.customer_id, '{}'::jsonb
         from bankpulse.customer_merchant_stats as stats
         where 1 / (stats.total_amount - 7) > bankpulse.threshold(p_thresholds, 'total_amount_from');
       end`,
    );
    await driver.settle();
    const before = await driver.detections();
    const failed = driver.apply(times(80, { customer: 'seven', merchant: 'm', amount: '0.0875' }));
    expect(
      await failed.then(
        () => 'no error',
        (error: pg.DatabaseError) => `${error.code} ${error.message} (${error.detail})`,
      ),
    ).to.equal('BP005 pattern PatId4: division by zero (SQLSTATE 22012)');
    expect(await driver.detections()).to.deep.equal(before);
    await client.query(`delete from bankpulse.patterns where pattern_id = 'PatId4'`);
    await driver.apply(times(80, { customer: 'seven', merchant: 'm', amount: '0.0875' }));
    expect(await driver.detected('PatId2', 'm')).to.deep.equal(['seven']);
  });
});

describe('what_if and explain_pair', () => {
  const database = useDatabase('seeded');

  async function ask(query: string): Promise<string[]> {
    const { rows } = await database().client.query<(string | number | boolean | null)[]>({
      text: query,
      rowMode: 'array',
    });
    return rows.map((row) => row.map((cell) => (cell === null ? 'null' : String(cell))).join(' '));
  }

  it('says what other thresholds add, remove and keep, in that order', async () => {
    const changes = (thresholds: object) =>
      ask(
        `select change, merchant_id, customer_id
         from bankpulse.what_if('PatId2', '${JSON.stringify(thresholds)}')`,
      );
    expect(await changes({})).to.deep.equal(['kept corner-shop customer-01']);
    expect(await changes({ transactions_from: 81 })).to.deep.equal(['removed corner-shop customer-01']);
    const more = await changes({ transactions_from: 1, average_amount_below: 1000 });
    expect(more.filter((change) => change.startsWith('added')).length).to.be.greaterThan(1);
    expect(more.at(-1)).to.equal('kept corner-shop customer-01');
  });

  it('names the patterns and thresholds there are', async () => {
    const { client } = database();
    expect(await failure(client, `select * from bankpulse.what_if('PatId7', '{}')`)).to.equal(
      'BP007 there is no pattern "PatId7"; there are: PatId1, PatId2, PatId3',
    );
    expect(
      await failure(
        client,
        `select * from bankpulse.what_if('PatId2', '{"transactions": 3, "average_amount_below": "3"}')`,
      ),
    ).to.equal(
      'BP007 average_amount_below is "3", which is no number; there is no threshold "transactions" of PatId2; there are: average_amount_below, transactions_from',
    );
  });

  it('explains each condition of each pattern, and since when it is detected', async () => {
    expect(await ask(`select * from bankpulse.explain_pair('corner-shop', 'customer-01')`)).to.deep.equal([
      'PatId1 count_percent_rank_from null 0.9 null null',
      'PatId1 weight_percent_rank_up_to null 0.1 null null',
      'PatId1 merchant_transactions_above null 50000 null null',
      'PatId1 other conditions null null false null',
      'PatId2 transactions_from 80 80 true 2',
      'PatId2 average_amount_below 12.5000 23 true 2',
      'PatId3 female_customers_above 0 100 false null',
    ]);
    expect(
      (await ask(`select * from bankpulse.explain_pair('bazaar', 'customer-20')`)).slice(0, 3),
    ).to.deep.equal([
      'PatId1 count_percent_rank_from 1.000000 0.9 true 2',
      'PatId1 weight_percent_rank_up_to 0.000000 0.1 true 2',
      'PatId1 merchant_transactions_above 50400 50000 true 2',
    ]);
    expect((await ask(`select * from bankpulse.explain_pair('none', 'none')`)).length).to.equal(9);
  });
});
