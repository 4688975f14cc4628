import type { DuckdbDesign } from './duckdb.js';

/**
 * DuckDB with a table of all transactions, from which it computes everything for each chunk. Nothing is ever deleted, so
 * rowid is the order of the stream.
 */
export const duckdbHistory: DuckdbDesign = {
  name: 'duckdb_history',
  about: 'DuckDB, all transactions kept, everything worked out anew',

  createTables:
    'create table transactions (merchant_id varchar, customer_id varchar, gender varchar, amount decimal(18, 6))',

  addRows: 'insert into transactions from read_transactions($files)',

  updateTables: `
    create or replace temporary table touched_pairs as
    select
      merchant_id, customer_id,
      count(*) as transaction_count, sum(amount) as total_amount, arg_min(gender, rowid) as gender
    from transactions
    group by merchant_id, customer_id;

    create or replace temporary table merchants as
    select
      merchant_id, sum(transaction_count) as transaction_count, count(*) as customer_count,
      count(*) filter (where gender = 'F') as female_count, count(*) filter (where gender = 'M') as male_count
    from touched_pairs
    group by merchant_id;
    create or replace temporary view touched_merchants as from merchants;

    create or replace temporary table histogram as
    select merchant_id, transaction_count, count(*) as customer_count
    from touched_pairs
    group by merchant_id, transaction_count;
    create or replace temporary view candidates as
    from touched_pairs semi join low_weights using (merchant_id, customer_id);
  `,
};
