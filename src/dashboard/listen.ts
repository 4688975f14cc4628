import fastify, { type FastifyInstance } from 'fastify';
import { openResources } from '../async/resource-scope.js';
import { hasSqlState, isDataError, isTransientDatabaseError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { serveApi } from './api.js';
import { serveAssets } from './assets.js';
import { serveEvents } from './event-stream.js';
import { isLoopback } from './hosts.js';
import { LiveState } from './live-state.js';
import { loadPatternParts } from './pattern-parts.js';
import { openReader } from './reader.js';
import { secure } from './security.js';
import type { Dashboard, DashboardOptions } from './server.js';

/** Starts the server. @throws if it cannot listen on this host and port. */
export async function listen(options: DashboardOptions): Promise<Dashboard> {
  const { config, settings, log, routes = [], pausePerCost } = options;
  const { DASHBOARD_HOST: host, DASHBOARD_PORT: port, DASHBOARD_ALLOWED_HOSTS: allowed } = settings;
  const { close } = await openResources(log, async (closeLater) => {
    const views = openReader(config, log);
    closeLater(() => views.destroy());
    // event streams never end by themselves, so closing the server must cut them
    const server = fastify({ logger: false, forceCloseConnections: true });
    closeLater(() => server.close());
    const parts = await loadPatternParts();
    await secure(server, { host, allowed });
    answerErrors(server, log);
    serveEvents(server, new LiveState(views, parts, log, settings.TIME_ZONE, pausePerCost));
    serveApi(server, views, parts);
    await serveAssets(server);
    for (const addRoutes of routes) await addRoutes(server);
    await server.listen({ host, port });
    return {};
  });
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  log.info(`dashboard: ${url}`);
  if (!isLoopback(host)) log.warn('the dashboard has no password: every machine that reaches it can read it');
  return { url, close };
}

function answerErrors(server: FastifyInstance, log: Logger): void {
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'there is no such page' }));
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return reply.code(error.statusCode).send({ error: error.message });
    }
    if (hasSqlState(error, 'noSuchRule') || isDataError(error))
      return reply.code(400).send({ error: error.message });
    log.debug({ reason: messageOf(error) }, 'the dashboard could not answer');
    if (hasSqlState(error, 'patternFailed')) return reply.code(500).send({ error: error.message });
    return isTransientDatabaseError(error)
      ? reply.code(503).send({ error: 'the database does not answer' })
      : reply.code(500).send({ error: 'this could not be read' });
  });
}
