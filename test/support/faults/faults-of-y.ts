import { setTimeout as sleep } from 'node:timers/promises';
import type { GatedProcess } from './gated-process.js';
import type { FaultyRun } from './run.js';
import { reach, windowOf, type Window } from './windows.js';

/** How long a Y that hangs may keep the others waiting before its session is ended by hand. */
const HUNG_MS = 5000;
const GIVE_UP_MS = 30_000;

/** SIGKILL of the working Y in a window, as far as it can be aimed at; counted where it fell. @returns when. */
async function killWorker(run: FaultyRun, window: Window): Promise<number> {
  const { place, tally, random } = run;
  const { process: y, appliedBefore, bornAt } = run.worker;
  await reach(window, y, random, () => run.isOver());
  run.assertAlive();
  const killedAt = Date.now();
  const passed = await y.kill();
  const facts = { aimedAt: window, appliedBefore, lastSaid: y.lastSaid, bornAt, passed };
  tally.kills[await windowOf(place, facts)]++;
  return killedAt;
}

/** Kills the working Y; another is started. */
export async function kill(run: FaultyRun, window: Window): Promise<void> {
  await killWorker(run, window);
  await run.startWorker();
}

/** Kills the working Y while another stands by, which takes over. */
export async function killWithSpare(run: FaultyRun, window: Window): Promise<void> {
  const spare = await run.startSpare();
  const killedAt = await killWorker(run, window);
  await takeOver(run, spare, 'Y takes over after a SIGKILL', killedAt);
}

/** Waits until the spare says so. `since`: when it became due, as of `Date.now()`. */
async function takeOver(run: FaultyRun, spare: GatedProcess, what: string, since: number): Promise<void> {
  await spare.command.says('taking over');
  const [, saidAt = ''] = /"time":"([^"]+)"[^\n]*"taking over"/.exec(spare.command.stderr) ?? [];
  run.tally.time(what, Date.parse(saidAt) - since);
  await run.promote(spare);
}

/** A SIGTERM at some moment; another Y is started. */
export async function terminate(run: FaultyRun): Promise<void> {
  await run.pause(2500);
  run.assertAlive();
  await run.terminate(run.worker.process);
  run.tally.count('SIGTERM of Y');
  await run.startWorker();
}

/** Ends sessions of a Y that hangs: the one that holds the lock, or all. */
async function endHungSessions({ place }: FaultyRun, y: GatedProcess, which: 'lock' | 'all'): Promise<void> {
  await place.ask(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and client_port = any ($1)
       and ($2 = 'all' or pid in (select pid from pg_locks where locktype = 'advisory' and granted))`,
    [y.postgres.ports, which],
  );
}

/**
 * The working Y hangs, another takes over, and then the first goes on: it must write nothing more, and stand by. If
 * nobody takes over, its sessions are ended as a network would do it: first the one with the lock, which leaves the
 * others to the fence; then all.
 */
async function hang(run: FaultyRun, name: string, stop: () => void, goOn: () => void): Promise<void> {
  const { process: old } = run.worker;
  const spare = await run.startSpare();
  await run.pause(1000);
  run.assertAlive();
  const since = Date.now();
  stop();
  run.tally.count(name);
  const isOver = new AbortController();
  const help = async () => {
    for (const which of ['lock', 'all'] as const) {
      await sleep(HUNG_MS, undefined, { signal: isOver.signal });
      run.tally.count(`${name}: no take-over in time, so ended ${which}`);
      await endHungSessions(run, old, which);
    }
    await sleep(GIVE_UP_MS, undefined, { signal: isOver.signal });
    throw new Error(`after a ${name} nobody took over, though its sessions were ended`);
  };
  const helping = help().catch((error: unknown) => {
    if (!isOver.signal.aborted) throw error;
  });
  await Promise.race([takeOver(run, spare, `Y takes over after a ${name}`, since), helping]);
  isOver.abort();
  await run.pause(1000);
  const said = old.command.stderr.length;
  goOn();
  await old.command.says('standing by', said);
  await run.terminate(old);
}

/** SIGSTOP of the working Y, and SIGCONT after another has taken over. */
export function stopAndContinue(run: FaultyRun): Promise<void> {
  const { child } = run.worker.process.command;
  return hang(
    run,
    'SIGSTOP of Y',
    () => child.kill('SIGSTOP'),
    () => child.kill('SIGCONT'),
  );
}

/** The connections of the working Y hang, and go on after another has taken over. */
export function hangConnections(run: FaultyRun): Promise<void> {
  const { postgres } = run.worker.process;
  return hang(
    run,
    'hang of the connections of Y',
    () => postgres.shut(),
    () => postgres.reopen(),
  );
}

/** Ends sessions of Y one after the other; Y lives on. */
export async function endSessions(run: FaultyRun): Promise<void> {
  await run.untilElected();
  for (let count = 1 + run.random.below(4); count > 0; count--) {
    await run.pause(800);
    const ended = await run.place.ask(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'bankpulse' and pid <> pg_backend_pid()
       order by hashint8extended(pid, $1) limit 1`,
      [run.random.below(1_000_000)],
    );
    if (ended.length > 0) run.tally.count('a session of Y ended by pg_terminate_backend');
  }
  await run.pause(500);
  run.assertAlive();
}

/** The database server dies without a word, and is back after seconds; Y lives on. */
export async function crashServer(run: FaultyRun, crash: () => Promise<void>): Promise<void> {
  await run.untilElected();
  await run.pause(2500);
  run.assertAlive();
  await crash();
  run.tally.count('PostgreSQL killed (-m immediate) and started again');
  await run.databaseTime();
  run.assertAlive();
}
