import { expect } from 'chai';
import { transactionColumns } from '../../src/csv/header.js';
import { stageCsv } from '../../src/loader/stage.js';
import { HEADER, blocksOf, fileOf, utf8 } from '../support/bytes.js';
import { useStaging } from '../support/staging.js';

describe('stageCsv', () => {
  const { database, stage } = useStaging();

  it('reads a header with a long run of white space in a moment', async () => {
    // a trimming that looks again at each place takes minutes, and the test's time with them
    const { rows } = await stage(`${HEADER},a${' '.repeat(500_000)}b\nC,F,M,1,\n`);
    expect(rows).to.have.length(1);
  });

  it('gives the same for every place at which a file can be cut in two', async () => {
    const file = utf8(`\ufeff${HEADER}\r\n'C1','F','M1',1.5\r\n\r\nZoë,M,O'Hara,2\n\n'C3',,'M3',-3`);
    for (let at = 1; at < file.length; at++) {
      expect(await stage(file, transactionColumns, [at, Infinity])).to.deep.equal({
        way: 'plain',
        rows: [
          ['C1', 'F', 'M1', '1.5'],
          ['Zoë', 'M', "O'Hara", '2'],
          ['C3', '', 'M3', '-3'],
        ],
        rejected: [],
      });
    }
  });

  it('leaves the transaction open, and the staging tables empty after it', async () => {
    const { client } = database();
    await stageCsv(client, () => blocksOf(fileOf('C,F,M,1')), transactionColumns);
    const count = async () =>
      (await client.query<{ count: string }>('select count(*) from pg_temp.staged_rows')).rows[0]!.count;
    expect(await count()).to.equal('1');
    await client.query('commit');
    expect(await count()).to.equal('0');
  });

  it('passes on what its source throws', async () => {
    // eslint-disable-next-line @typescript-eslint/require-await
    async function* broken() {
      yield Buffer.from(fileOf('C,F,M,1'));
      throw new Error('the source broke');
    }
    const { client } = database();
    const error: unknown = await stageCsv(client, broken, transactionColumns).catch(
      (thrown: unknown) => thrown,
    );
    await client.query('rollback');
    expect(error).to.be.an('error').with.property('message', 'the source broke');
  });
});
