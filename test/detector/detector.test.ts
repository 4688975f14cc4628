import { expect } from 'chai';
import { connect } from '../../src/database.js';
import { csv, until, useDetector } from '../support/detector.js';

describe('detect', function () {
  this.timeout(60_000);
  const current = useDetector();
  const { put, detectOnce, startDetector } = current;

  it('notes what its last listing saw, and its end', async () => {
    await put(1, csv());
    await put(3, csv());
    const detector = startDetector({ GAP_TIMEOUT_MS: 60_000 });
    const run = async () =>
      (
        await current.database.client.query<{
          pending_count: string;
          oldest_pending_at: Date;
          ended_at: Date | null;
        }>('select pending_count, oldest_pending_at, ended_at from bankpulse.runs')
      ).rows[0];
    await until('one object is noted as waiting', async () => (await run())?.pending_count === '1');
    expect((await run())!.oldest_pending_at).to.be.instanceOf(Date);
    await detector.stop();
    expect((await run())!.ended_at).to.be.instanceOf(Date);
  });

  it('gives Node no reason for warnings, however many objects wait', async () => {
    const warnings: string[] = [];
    const collect = ({ message }: Error) => warnings.push(message);
    process.on('warning', collect);
    try {
      await Promise.all(Array.from({ length: 40 }, (_, index) => put(index + 1, csv())));
      await detectOnce();
    } finally {
      process.off('warning', collect);
    }
    expect(warnings).to.deep.equal([]);
  });

  it('leaves no session behind', async () => {
    await put(1, csv('C1,F,shop,1'));
    await detectOnce();
    const other = await connect(current.database.config);
    try {
      await until('its sessions are gone', async () => {
        const { rows } = await other.query(
          'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
        );
        return rows.length === 1; // the test's own
      });
    } finally {
      await other.end();
    }
  });
});
