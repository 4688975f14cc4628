import fastify, { type FastifyInstance } from 'fastify';
import type pg from 'pg';
import type { DashboardSettings } from '../config.js';
import { codeOf, isTransientDatabaseError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { serveApi } from './api.js';
import { serveAssets } from './assets.js';
import { serveEvents } from './events.js';
import { isLoopback } from './hosts.js';
import { LiveState } from './live.js';
import { openReader } from './reader.js';
import { secure } from './security.js';

/** Adds routes of its own to the server: GET only, under the same rules as all others. */
export type Routes = (server: FastifyInstance) => void | Promise<void>;

export interface DashboardOptions {
  config: pg.ClientConfig;
  settings: DashboardSettings;
  log: Logger;
  routes?: readonly Routes[];
}

export interface Dashboard {
  /** Where it is served; undefined if it is not. */
  url: string | undefined;
  close(): Promise<void>;
}

const off: Dashboard = { url: undefined, close: () => Promise.resolve() };

/**
 * Serves the dashboard on DASHBOARD_HOST and DASHBOARD_PORT; with port 0 not at all. It is for people: that it cannot be
 * served is said, and stops nothing.
 */
export async function serveDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { DASHBOARD_HOST: host, DASHBOARD_PORT: port } = options.settings;
  if (port === 0) return off;
  try {
    return await listen(options, host, port);
  } catch (error) {
    const reason =
      codeOf(error) === 'EADDRINUSE' ? `port ${port} is taken` : `${host}:${port}: ${messageOf(error)}`;
    options.log.warn({ reason }, 'no dashboard: set DASHBOARD_PORT to another port, or to 0 for none');
    return off;
  }
}

async function listen(
  { config, log, routes = [] }: DashboardOptions,
  host: string,
  port: number,
): Promise<Dashboard> {
  // event streams never end by themselves: they are cut
  const server = fastify({ logger: false, forceCloseConnections: true });
  const views = openReader(config, log);
  const close = async () => {
    await server.close();
    await views.destroy();
  };
  try {
    await secure(server, host);
    answerErrors(server, log);
    serveEvents(server, new LiveState(views, log));
    serveApi(server, views);
    await serveAssets(server);
    for (const addRoutes of routes) await addRoutes(server);
    await server.listen({ host, port });
  } catch (error) {
    await close();
    throw error;
  }
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  log.info(`dashboard: ${url}`);
  if (!isLoopback(host)) log.warn('anybody who reaches the dashboard can read it: it asks for no password');
  return { url, close };
}

function answerErrors(server: FastifyInstance, log: Logger): void {
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'there is no such page' }));
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return reply.code(error.statusCode).send({ error: error.message });
    }
    log.debug({ reason: messageOf(error) }, 'the dashboard could not answer');
    return isTransientDatabaseError(error)
      ? reply.code(503).send({ error: 'the database does not answer' })
      : reply.code(500).send({ error: 'this could not be read' });
  });
}
