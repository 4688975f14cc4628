import { expect } from 'chai';
import { useDatabase } from '../support/database.js';
import { ChunkDriver } from '../support/chunks.js';

describe('detection_file_rows', () => {
  const database = useDatabase('empty');
  let driver: ChunkDriver;
  before(async () => {
    driver = await ChunkDriver.start(database().client);
    await driver.setThresholds('PatId2', { transactions_from: 1 });
    await driver.setThresholds('PatId3', { female_customers_above: 0 });
  });

  it('has the columns of the file in their order, behind the two that are not written', async () => {
    const { fields } = await driver.client.query('select * from bankpulse.detection_file_rows');
    expect(fields.map((field) => field.name)).to.deep.equal([
      'batch_no',
      'detection_id',
      'YStartTime',
      'detectionTime',
      'patternId',
      'ActionType',
      'customerName',
      'MerchantId',
    ]);
  });

  it('writes times in Indian Standard Time with milliseconds, whatever the time zone of the session', async () => {
    const times: Record<string, string> = {
      '2026-11-22T17:00:00.123Z': '2026-11-22T22:30:00.123+05:30',
      '2026-12-31T18:30:00.000Z': '2027-01-01T00:00:00.000+05:30',
      '2026-06-01T00:00:00.9999Z': '2026-06-01T05:30:00.999+05:30',
      '2028-02-29T12:00:00+14:00': '2028-02-29T03:30:00.000+05:30',
    };
    for (const timeZone of ['UTC', 'America/New_York', 'Asia/Kolkata']) {
      await driver.client.query(`set time zone '${timeZone}'`);
      for (const [time, written] of Object.entries(times)) {
        const { rows } = await driver.client.query('select bankpulse.format_time($1) as written', [time]);
        expect(rows, time).to.deep.equal([{ written }]);
      }
    }
    await driver.client.query('reset time zone');
  });

  it('shows closed batches alone, each row with the start of the run and the time of its chunk', async () => {
    await driver.apply([
      { customer: 'Priya', gender: 'F', merchant: 'm' },
      { customer: 'Arjun', gender: 'M', merchant: 'm' },
      { customer: 'Kabir', gender: 'M', merchant: 'm', amount: 100 },
    ]);
    const all = 'select * from bankpulse.detection_file_rows order by batch_no, detection_id';
    expect((await driver.client.query(all)).rows).to.deep.equal([]);
    await driver.functions.closeBatches(driver.runId, 50, 'd/', true);
    await driver.client.query(`update bankpulse.runs set started_at = '2026-11-22T17:00:00.123Z'`);
    await driver.client.query(`update bankpulse.detections set detected_at = '2026-11-22T17:00:09.5Z'`);
    const { rows } = await driver.client.query<Record<string, string>>(all);
    const same = {
      batch_no: '1',
      YStartTime: '2026-11-22T22:30:00.123+05:30',
      detectionTime: '2026-11-22T22:30:09.500+05:30',
      MerchantId: 'm',
    };
    expect(
      rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => name !== 'detection_id'))),
    ).to.deep.equal([
      { ...same, patternId: 'PatId2', ActionType: 'CHILD', customerName: 'Arjun' },
      { ...same, patternId: 'PatId2', ActionType: 'CHILD', customerName: 'Priya' },
      { ...same, patternId: 'PatId3', ActionType: 'DEI-NEEDED', customerName: '' },
    ]);
  });

  it('puts one quote before a name that a spreadsheet would run; only there, and only for its first character', async () => {
    const written: Record<string, string> = {
      '=1+1': "'=1+1",
      '+1': "'+1",
      '-1': "'-1",
      '@a': "'@a",
      '\ta': "'\ta",
      '\ra': "'\ra",
      '==1': "'==1",
      'a=1': 'a=1',
      ' =1': ' =1',
      '\n=1': '\n=1',
      "'=1": "'=1",
      plain: 'plain',
    };
    await driver.apply(
      Object.keys(written).flatMap((name) => [
        { customer: name, merchant: 'escaped' },
        { customer: 'escaped', merchant: name },
      ]),
    );
    await driver.functions.closeBatches(driver.runId, 50, 'd/', true);
    const { rows } = await driver.client.query<Record<'customer' | 'merchant' | 'name' | 'shop', string>>(
      `select
         customer_id as customer, merchant_id as merchant, "customerName" as name, "MerchantId" as shop
       from bankpulse.detection_file_rows
       inner join bankpulse.detections using (detection_id)
       where pattern_id = 'PatId2' and 'escaped' in (customer_id, merchant_id)`,
    );
    expect(rows).to.have.length(2 * Object.keys(written).length);
    for (const { customer, merchant, name, shop } of rows)
      if (merchant === 'escaped')
        expect({ [customer]: name }).to.deep.equal({ [customer]: written[customer] });
      else expect({ [merchant]: shop }).to.deep.equal({ [merchant]: written[merchant] });
  });
});
