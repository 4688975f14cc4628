import { expect } from 'chai';
import { describeOnCitus, useCitusDatabase } from '../support/citus.js';
import { CitusRun } from '../support/faults/citus-run.js';
import type { GatedProcess } from '../support/faults/gated-process.js';

/** What a worker is told when Y is stopped; undefined: nothing, Y has no chunk. */
const MOMENTS = ['UPDATE', 'COMMIT PREPARED', undefined, undefined, undefined];

describeOnCitus('on Citus, mechanism Ys that are stopped while they hold lanes', (coordinatorUrl) => {
  const database = useCitusDatabase(coordinatorUrl, { workers: 2, shards: 4, linked: true });
  let run: CitusRun;
  before(async () => {
    run = await CitusRun.start(database(), 1);
  });
  after(() => run.close());

  async function heldLanes(): Promise<number> {
    const [row] = await run.place.ask<{ count: number }>(
      `select count(*)::int as count from pg_locks
       where locktype = 'advisory' and classid = 4242010
         and database = (select oid from pg_database where datname = current_database())`,
    );
    return row!.count;
  }

  it('hand over one after the other, more than there are lanes for, and do no harm when they go on', async () => {
    const stopped: { y: GatedProcess; said: number }[] = [];
    let mostHeld = 0;
    for (const moment of MOMENTS) {
      await run.put(1);
      await run.untilApplied();
      mostHeld = Math.max(mostHeld, await heldLanes());
      const next = await run.faulty.startSpare();
      const { process: y } = run.faulty.worker;
      const isHeld = moment === undefined ? undefined : database().workers[0]!.link!.holdAt(moment);
      if (isHeld) await run.put(2);
      const held = await isHeld;
      y.command.child.kill('SIGSTOP');
      held?.release();
      stopped.push({ y, said: y.command.stderr.length });
      await next.command.says('taking over');
      await run.faulty.promote(next);
    }
    await run.put(1);
    await run.untilApplied();
    expect(mostHeld).to.equal(8);
    for (const { y } of stopped) y.command.child.kill('SIGCONT');
    await Promise.all(stopped.map(({ y, said }) => y.command.says('standing by', said)));
    await run.put(5);
    await run.untilApplied();
    for (const { y } of stopped) await run.faulty.terminate(y);
    await run.finish();
  });
});
