import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import { messageOf } from '../../src/errors.js';
import { children, logInto, until, useDetector, type LogLine } from '../support/detector.js';
import { testObjectStore } from '../support/s3.js';

describe('the owner of the detection files', () => {
  const pipeline = useDetector();
  const ownerKey = () => `${pipeline.prefix}detections.owner.json`;
  const owner = async () => (await pipeline.s3.store.getWhole(ownerKey()))?.content.toString();
  const idOf = async () => {
    const { rows } = await pipeline.database.client.query<{ id: string }>(
      'select pipeline_id as id from bankpulse.pipeline',
    );
    return rows[0]!.id;
  };

  /** All test databases are clones of one, so they have its identity. */
  const becomeAnother = () =>
    pipeline.database.client.query('update bankpulse.pipeline set pipeline_id = $1', [randomUUID()]);

  /** What Y ends with; it must have changed nothing. */
  async function refusal(settings: { DETECTIONS_PREFIX?: string } = {}): Promise<string> {
    const before = [await pipeline.ledger(), await pipeline.files(), await owner()];
    const message = await pipeline.detectOnce(settings).then(() => undefined, messageOf);
    expect([await pipeline.ledger(), await pipeline.files(), await owner()]).to.deep.equal(before);
    return message ?? expect.fail('mechanism Y worked');
  }

  beforeEach(() => pipeline.put(1, children(1, 2)));

  it('is written by the first mechanism Y, with the identity of its database, before any file', async () => {
    await pipeline.detectOnce();
    expect(JSON.parse((await owner())!)).to.include({ pipeline_id: await idOf() });
    const { rows } = await pipeline.database.client.query('select bucket, owner_key from bankpulse.pipeline');
    expect(rows).to.deep.equal([{ bucket: pipeline.s3.store.bucket, owner_key: ownerKey() }]);
    expect(Object.keys(await pipeline.files())).to.have.length(1);
  });

  it('goes on with the same database, and with the one that was restored to before the first start', async () => {
    await pipeline.detectOnce();
    const first = await owner();
    await pipeline.put(2, children(2, 2));
    await pipeline.detectOnce();
    expect(await pipeline.ledger()).to.have.length(2);
    await pipeline.renewDatabase(); // a clone of the same database: the same identity
    await pipeline.detectOnce();
    expect(await owner()).to.equal(first);
  });

  it('keeps another database away, even one that is as empty as the first was', async () => {
    await pipeline.detectOnce();
    const id = await idOf();
    await pipeline.renewDatabase();
    await becomeAnother();
    const message = await refusal();
    expect(message)
      .to.include(id)
      .and.to.include(await idOf());
    expect(message).to.include(pipeline.database.name).and.to.include(pipeline.s3.store.bucket);
  });

  it('keeps the database away from another bucket or prefix once it has a ledger', async () => {
    await pipeline.detectOnce();
    const message = await refusal({ DETECTIONS_PREFIX: `${pipeline.prefix}others/` });
    expect(message).to.include(ownerKey()).and.to.include(`${pipeline.prefix}others.owner.json`);
  });

  it('lets a database without a ledger begin anywhere', async () => {
    await pipeline.database.client.query(
      `update bankpulse.pipeline set bucket = 'gone', owner_key = 'gone', claimed_at = now()`,
    );
    await pipeline.detectOnce();
    expect(await pipeline.ledger()).to.have.length(1);
  });

  it('misses an owner object that was deleted, and takes one that was copied', async () => {
    await pipeline.detectOnce();
    const content = (await owner())!;
    const other = `${pipeline.prefix}moved`;
    await pipeline.s3.store.put(`${other}.owner.json`, content, 'application/json');
    await pipeline.detectOnce({ DETECTIONS_PREFIX: `${other}/` });
    const { rows } = await pipeline.database.client.query('select owner_key from bankpulse.pipeline');
    expect(rows).to.deep.equal([{ owner_key: `${other}.owner.json` }]);
  });

  it('keeps the database away from a place where it began for a moment, once it has a ledger elsewhere', async () => {
    const elsewhere = await testObjectStore();
    await pipeline.detectOnce({}, { store: elsewhere.store }); // an empty bucket
    await pipeline.detectOnce();
    const before = await pipeline.ledger();
    const failure = await pipeline
      .detectOnce({}, { store: elsewhere.store })
      .then(() => undefined, messageOf);
    expect(failure).to.include(`in bucket "${pipeline.s3.store.bucket}"`);
    expect(await pipeline.ledger()).to.deep.equal(before);
  });

  it('ends a Y whose place was changed by another between its start and its election', async () => {
    const holder = pipeline.startDetector({}, { isInputOver: () => false });
    await pipeline.untilApplied(1);
    const log: LogLine[] = [];
    const ended = pipeline.detectOnce({}, { log: logInto(log) }).then(() => undefined, messageOf);
    await until('it stands by', () => Promise.resolve(log.some(({ msg }) => msg.includes('standing by'))));
    await pipeline.database.client.query(`update bankpulse.pipeline set bucket = 'another'`);
    await holder.stop();
    expect(await ended).to.include('in bucket "another"');
  });

  it('is nobody when the object does not say so', async () => {
    for (const content of ['', 'null', '{"pipeline_id":7}', '"x"']) {
      await pipeline.s3.store.put(ownerKey(), content, 'application/json');
      expect(await refusal(), content).to.include('an unknown owner');
    }
  });

  it('is not guessed where files of an unknown database stand', async () => {
    await pipeline.s3.store.put(`${pipeline.prefix}detections/detections-00000001.csv`, 'x\n', 'text/csv');
    expect(await refusal()).to.include('detections-00000001.csv');
  });

  describe('for a database of a version that wrote none', () => {
    beforeEach(async () => {
      await pipeline.detectOnce();
      await pipeline.s3.store.put(`${pipeline.prefix}others/keep.txt`, '', 'text/plain');
      await pipeline.database.client.query(
        'update bankpulse.pipeline set bucket = null, owner_key = null, claimed_at = null',
      );
    });

    it('is written where its newest file stands', async () => {
      const other = `${pipeline.prefix}later`;
      await pipeline.detectOnce({ DETECTIONS_PREFIX: `${other}/` });
      expect(await pipeline.s3.store.has(`${other}.owner.json`)).to.equal(true);
    });

    it('and nowhere else', async () => {
      await pipeline.database.client.query(
        `update bankpulse.detection_batches set object_key = 'elsewhere/detections-00000001.csv'`,
      );
      expect(await refusal({ DETECTIONS_PREFIX: `${pipeline.prefix}others/` })).to.include(
        'elsewhere/detections-00000001.csv',
      );
    });
  });
});
