import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver } from '../support/chunks.js';
import type { UnseenObject } from '../../src/database/functions.js';

describe('unseen_objects', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
    await driver.apply([], { key: 'in/chunk-1.csv' });
    await driver.apply([], { key: 'in/unnumbered.csv' });
    await driver.functions.quarantineChunk(
      driver.runId,
      { key: 'in/chunk-2.csv', etag: 'test', size: 0 },
      'empty',
    );
  });

  /** For keys with ETags; the applied ones have the ETag "test". */
  async function unseen(objects: Record<string, string>): Promise<UnseenObject[]> {
    return driver.functions.unseenObjects(Object.keys(objects), Object.values(objects));
  }

  /** A key that is to be new, with its number. */
  function newObject(key: string, number: bigint): UnseenObject {
    return { key, number, status: 'new' };
  }

  it('says nothing of what is applied or quarantined, and unchanged', async () => {
    expect(await unseen({ 'in/chunk-1.csv': 'test', 'in/unnumbered.csv': 'test' })).to.deep.equal([]);
    expect(await unseen({ 'in/chunk-2.csv': 'test' })).to.deep.equal([]);
  });

  it('finds a quarantined key again when it has another ETag', async () => {
    expect(await unseen({ 'in/chunk-2.csv': 'other' })).to.deep.equal([
      { key: 'in/chunk-2.csv', number: 2n, status: 'mended' },
    ]);
  });

  it('compares an applied key also with the ETag that listings showed for it', async () => {
    const { functions } = driver;
    await driver.apply([], { key: 'in/chunk-77.csv' });
    const listed = () => unseen({ 'in/chunk-77.csv': 'listed' });
    expect((await listed()).map(({ status }) => status)).to.deep.equal(['replaced']);
    expect(await functions.noteListedEtag('in/chunk-77.csv', 'other', 'listed'), 'another object').to.equal(
      false,
    );
    expect((await listed()).map(({ status }) => status)).to.deep.equal(['replaced']);
    expect(await functions.noteListedEtag('in/chunk-77.csv', 'test', 'listed'), 'the same').to.equal(true);
    expect(await listed()).to.deep.equal([]);
    expect(await unseen({ 'in/chunk-77.csv': 'test' })).to.deep.equal([]);
    expect((await unseen({ 'in/chunk-77.csv': 'new' })).map(({ status }) => status)).to.deep.equal([
      'replaced',
    ]);
    expect(await functions.noteListedEtag('in/chunk-2.csv', 'test', 'x'), 'quarantined').to.equal(false);
  });

  it('by name: gives every chunk no number, in the bytewise order of the keys', async () => {
    const keys = [
      'b-1.csv',
      'a-10.csv',
      'a-2.csv',
      'none.csv',
      'B.csv',
      'a.csv.gz',
      '\u{ffff}.csv',
      '\u{10000}.csv',
    ];
    const found = await driver.functions.unseenObjects(keys, keys, 'name');
    expect(found).to.deep.equal(
      [
        'B.csv',
        'a-10.csv',
        'a-2.csv',
        'a.csv.gz',
        'b-1.csv',
        'none.csv',
        '\u{ffff}.csv',
        '\u{10000}.csv',
      ].map((key) => ({ key, number: null, status: 'new' })),
    );
  });

  it('tells new, replaced and unnumbered objects apart', async () => {
    expect(
      await unseen({
        'in/chunk-1.csv': 'other',
        'in/chunk-3.csv': 'x',
        'in/chunk-four.csv': 'x',
        'in/chunk-1234567890123456789.csv': 'x',
      }),
    ).to.deep.equal([
      { key: 'in/chunk-1.csv', number: 1n, status: 'replaced' },
      newObject('in/chunk-3.csv', 3n),
      { key: 'in/chunk-1234567890123456789.csv', number: null, status: 'unnumbered' },
      { key: 'in/chunk-four.csv', number: null, status: 'unnumbered' },
    ]);
  });

  it('finds a quarantined key again when it is to be retried', async () => {
    await driver.functions.quarantineChunk(
      driver.runId,
      { key: 'in/chunk-8.csv', etag: 'x', size: 0 },
      'empty',
    );
    expect(await driver.functions.retryQuarantinedChunk('in/chunk-8.csv')).to.be.true;
    expect(await unseen({ 'in/chunk-8.csv': 'x' })).to.deep.equal([newObject('in/chunk-8.csv', 8n)]);
    expect(await driver.functions.retryQuarantinedChunk('in/chunk-8.csv'), 'is not there').to.be.false;
    expect(await driver.functions.retryQuarantinedChunk('in/chunk-1.csv'), 'is applied').to.be.false;
  });

  it('passes over whatever does not end in .csv or .csv.gz, in any case', async () => {
    const keys = [
      ...['in/5.csv', 'in/6.csv.gz', 'in/7.CSV', 'in/8.Csv.Gz'],
      ...[
        'in/9.txt',
        'in/10.csv.bz2',
        'in/11csv',
        'in/12.csv/',
        'in/13.csv\n',
        'in/14.csvx',
        'in/15.gz',
        'in/',
      ],
    ];
    const found = await unseen(Object.fromEntries(keys.map((key) => [key, 'x'])));
    expect(found.map(({ key }) => key)).to.deep.equal(keys.slice(0, 4));
  });

  it('orders by number, not by name; then bytewise by key; those without a number last', async () => {
    const keys = [
      'é-10.csv',
      'z-10.csv',
      'Z-10.csv',
      'x.csv',
      'chunk_10.csv',
      'chunk_2.csv',
      'a/3.csv',
      'b/02.csv',
    ];
    const found = await unseen(Object.fromEntries(keys.map((key) => [key, 'x'])));
    expect(found.map(({ key }) => key)).to.deep.equal([
      ...['b/02.csv', 'chunk_2.csv', 'a/3.csv'],
      ...['Z-10.csv', 'chunk_10.csv', 'z-10.csv', 'é-10.csv', 'x.csv'],
    ]);
  });

  it('takes keys with quotes, backslashes, control characters and braces as they are', async () => {
    const keys = [
      `'"\\{},NULL 3.csv`,
      'a\tb\nc\r\u0001 4.csv',
      '👩‍🎤 5.csv',
      "'); drop table x; -- 6.csv",
      'NULL',
    ];
    expect(await unseen(Object.fromEntries(keys.map((key) => [key, 'x'])))).to.deep.equal(
      keys.slice(0, 4).map((key, place) => newObject(key, BigInt(place + 3))),
    );
  });

  it('compares more keys at once than one page of a listing has', async () => {
    const keys = Array.from({ length: 1500 }, (_, place) => `many/chunk-${place + 1}.csv`);
    await driver.client.query(
      `insert into bankpulse.chunks (object_key, object_number, chunk_no, etag, size_bytes, status, applied_at, run_id)
       select 'many/chunk-' || number || '.csv', 1000000 + number, 1000 + number, 'x', 0, 'applied', now(), $1
       from generate_series(1, 1499) as numbers (number)`,
      [driver.runId],
    );
    expect(await unseen(Object.fromEntries(keys.map((key) => [key, 'x'])))).to.deep.equal([
      newObject('many/chunk-1500.csv', 1500n),
    ]);
  });

  it('takes an empty listing', async () => {
    expect(await unseen({})).to.deep.equal([]);
  });
});

describe('last_object_number', () => {
  const database = useDatabase('empty');

  it('is null before the first, then the greatest applied or quarantined', async () => {
    const driver = await ChunkDriver.start(database().client);
    expect(await driver.functions.lastObjectNumber()).to.be.null;
    await driver.apply([], { key: '7.csv' });
    await driver.apply([], { key: '5.csv' });
    await driver.apply([], { key: 'none.csv' });
    expect(await driver.functions.lastObjectNumber()).to.equal(7n);
    const object = { key: '999999999999999999.csv', etag: 'x', size: 0 };
    await driver.functions.quarantineChunk(driver.runId, object, 'empty');
    expect(await driver.functions.lastObjectNumber()).to.equal(999999999999999999n);
  });
});
