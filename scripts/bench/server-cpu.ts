import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { connect } from '../../src/database/connection.js';

const OWN_PROCESS = 'select pg_backend_pid() as pid, inet_client_port() as port';
const SESSIONS = `
  select pid from pg_stat_activity
  where datname = $1 and backend_type = 'client backend' and pid <> pg_backend_pid()
`;

/** Milliseconds on a processor, by process. */
type Times = ReadonlyMap<number, number>;

/** Undefined if the process has ended. */
async function timeOf(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/schedstat`, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text.split(' ')[0]) / 1e6;
}

/** What the sessions of a database used between two looks, and how many ended between them: those are not in it. */
export function usedBetween(before: Times, after: Times): { ms: number; ended: number } {
  let ms = 0;
  for (const [pid, time] of after) ms += time - (before.get(pid) ?? 0);
  return { ms, ended: [...before.keys()].filter((pid) => !after.has(pid)).length };
}

/**
 * Looks at the processor time of a server's sessions, as the kernel of this machine counts it: of those in one database,
 * without its own, autovacuum and the processes that all databases share.
 */
export async function openServerCpu(config: pg.ClientConfig) {
  const client = await connect(config);
  return {
    /** Whether the server's processes are on this machine: the one of this session has its number and its port. */
    async isVisible(): Promise<boolean> {
      const { rows } = await client.query<{ pid: number; port: number | null }>(OWN_PROCESS);
      const { pid, port } = rows[0]!;
      // no such process, or no Linux
      const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return title.includes(port === null ? '[local]' : `(${port})`);
    },
    async look(database: string): Promise<Times> {
      const { rows } = await client.query<{ pid: number }>(SESSIONS, [database]);
      const times = new Map<number, number>();
      for (const { pid } of rows) {
        const time = await timeOf(pid);
        if (time !== undefined) times.set(pid, time);
      }
      return times;
    },
    close: () => client.end(),
  };
}
export type ServerCpu = Awaited<ReturnType<typeof openServerCpu>>;
