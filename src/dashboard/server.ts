import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import type { DashboardSettings } from '../config.js';
import { codeOf, messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** Adds more routes to the server: only GET, under the same rules as all others. */
export type Routes = (server: FastifyInstance) => void | Promise<void>;

export interface DashboardOptions {
  config: pg.ClientConfig;
  settings: Omit<DashboardSettings, 'TIME_ZONE'> & { TIME_ZONE?: string | undefined };
  log: Logger;
  routes?: readonly Routes[];
  /** The pause between two reads of the pipeline's state is this many times as long as a read. Default: 40. */
  pausePerCost?: number | undefined;
}

export interface Dashboard {
  /** Where it is served; undefined if it is not. */
  url: string | undefined;
  close(): Promise<void>;
}

const off: Dashboard = { url: undefined, close: () => Promise.resolve() };

/**
 * Serves the dashboard on DASHBOARD_HOST and DASHBOARD_PORT; with port 0 not at all. If it cannot be served, the log says
 * so, and the pipeline runs without it.
 */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { DASHBOARD_HOST: host, DASHBOARD_PORT: port } = options.settings;
  if (port === 0) return off;
  try {
    // loaded only here: its libraries take longer to load than the rest of a command
    const { listen } = await import('./listen.js');
    return await listen(options);
  } catch (error) {
    const reason =
      codeOf(error) === 'EADDRINUSE' ? `port ${port} is taken` : `${host}:${port}: ${messageOf(error)}`;
    options.log.warn({ reason }, 'no dashboard: set DASHBOARD_PORT to another port, or to 0 for none');
    return off;
  }
}
