import type { FastifyPluginCallback } from 'fastify';
import type pg from 'pg';
import { connect } from '../database/connection.js';
import { isDoneWithin } from '../async/time-limit.js';
import { pipelineEvents, type Role } from '../events.js';
import { Metrics } from './metrics.js';

/** A database that takes longer to answer is not ready. */
const PING_MS = 2000;

/** A ping for `metricsRoutes`: each one uses a new connection, with a time limit. */
export function pingDatabase(config: pg.ClientConfig): () => Promise<void> {
  return async () => {
    const client = await connect({ ...config, connectionTimeoutMillis: PING_MS, query_timeout: PING_MS });
    try {
      await client.query('select 1');
    } finally {
      void client.end().catch(() => undefined);
    }
  };
}

export interface MetricsRoutesOptions {
  /** Sends a query to the database, on a connection of its own. @throws if there is no answer. */
  ping: () => Promise<unknown>;
}

/**
 * `/metrics` for Prometheus, `/healthz` (the process lives) and `/readyz` (it can do its work: the database answers,
 * and mechanism Y works or stands by). Only the ping uses the database. Register them before the pipeline starts, so that
 * they miss no event.
 */
export const metricsRoutes: FastifyPluginCallback<MetricsRoutesOptions> = (server, { ping }, done) => {
  const metrics = new Metrics();
  let role: Role = 'starting';
  const stopListening = pipelineEvents.subscribe({
    roleChanged: (changed) => {
      role = changed;
    },
  });
  server.addHook('onClose', (_, closed) => {
    stopListening();
    metrics.close();
    closed();
  });

  // Prometheus and probes come by a container's, a service's or a forwarded name
  const options = { config: { isUnderAnyHost: true } };
  server.get('/metrics', options, async (_, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  server.get('/healthz', options, (_, reply) => reply.type('text/plain').send('alive\n'));
  server.get('/readyz', options, async (_, reply) => {
    const refuse = (why: string) => reply.code(503).type('text/plain').send(`not ready: ${why}\n`);
    if (!(await isDoneWithin(PING_MS, ping()).catch(() => false)))
      return refuse('the database does not answer');
    if (role === 'starting') return refuse('mechanism Y is starting');
    return reply.type('text/plain').send(role === 'working' ? 'ready: working\n' : 'ready: standing by\n');
  });
  done();
};
