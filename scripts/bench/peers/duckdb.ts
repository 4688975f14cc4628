import { join } from 'node:path';
import { DuckDBInstance, listValue } from '@duckdb/node-api';
import type { CloseLater } from '../../../src/async/resource-scope.js';
import type { Detection, Peer, Thresholds } from './peer.js';

/**
 * read_csv without its detection of formats, which would take three times as long. Rows keep the order of the file.
 * Amounts are whole numbers of 64 bits; names of up to 12 bytes, as BankSim's, lie in DuckDB's vectors themselves.
 * The weights do not change with the stream, so the bottom share is ranked once, untimed.
 */
const SET_UP = `
  create macro read_transactions(files) as table
  select merchant as merchant_id, customer as customer_id, gender, amount
  from read_csv(
    files, auto_detect = false, header = true, delim = ',', quote = '''', escape = '''',
    columns = {
      step: 'varchar', customer: 'varchar', age: 'varchar', gender: 'varchar', zipcode_ori: 'varchar',
      merchant: 'varchar', zip_merchant: 'varchar', category: 'varchar', amount: 'decimal(18, 6)', fraud: 'varchar'
    }
  );

  create table detections (pattern varchar, merchant_id varchar, customer_id varchar, chunk integer);

  create table low_weights as
  select merchant_id, customer_id
  from read_csv(
    $weights_csv, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    columns = {merchant_id: 'varchar', customer_id: 'varchar', average_weight: 'decimal(38, 10)'}
  )
  qualify percent_rank() over (partition by merchant_id order by average_weight) <= $weight_percent_rank_up_to::double
`;

const SET_DETECTIONS = `
  delete from detections;
  insert into detections
  select unnest($rows::json::struct(pattern text, merchant text, customer text, chunk int)[], recursive := true)
`;

/** The SQL of one DuckDB peer. */
export interface DuckdbDesign extends Pick<Peer, 'name' | 'about'> {
  createTables: string;
  /** Reads the chunks in $files; `updateState` runs after it. */
  addRows: string;
  updateState?: string;
  /** Adds new detections, with $chunk and the thresholds, and returns them; `forgetDetected` runs if there are any. */
  detect: string;
  forgetDetected?: string;
}

/**
 * Opens a DuckDB in a file, with its defaults: all cores, its log synced with each commit.
 * @param folder gets the file; `weights.csv` there has merchant_id, customer_id and average_weight
 */
export async function openDuckdb(
  { name, about, createTables, addRows, updateState, detect, forgetDetected }: DuckdbDesign,
  folder: string,
  { weight_percent_rank_up_to = '', ...thresholds }: Thresholds,
  closeLater: CloseLater,
): Promise<Peer> {
  const instance = await DuckDBInstance.create(join(folder, `${name}.duckdb`));
  closeLater(() => instance.closeSync());
  const connection = await instance.connect();
  closeLater(() => connection.closeSync());
  await connection.run(SET_UP, { weights_csv: join(folder, 'weights.csv'), weight_percent_rank_up_to });
  await connection.run(createTables);
  async function add(files: readonly string[]): Promise<void> {
    await connection.run(addRows, { files: listValue(files) });
    if (updateState) await connection.run(updateState);
  }
  return {
    name,
    about,
    async apply({ number, file }) {
      await connection.run('begin');
      await add([file]);
      const found = await connection.runAndReadAll(detect, { ...thresholds, chunk: number });
      if (found.currentRowCount > 0 && forgetDetected) await connection.run(forgetDetected);
      await connection.run('commit');
      return found.getRowObjectsJS() as unknown as Detection[];
    },
    async load(files, detections) {
      await add(files);
      await connection.run(SET_DETECTIONS, { rows: JSON.stringify(detections) });
      if (forgetDetected) await connection.run(forgetDetected);
      await connection.run('checkpoint');
    },
  };
}
