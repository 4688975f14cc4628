import type { FastifyPluginCallback } from 'fastify';
import type pg from 'pg';
import { connect } from '../database/connection.js';
import { isDoneWithin } from '../async/time-limit.js';
import { pipelineEvents, type Role } from '../events.js';
import type { ObjectStore } from '../s3/object-store.js';
import { Metrics } from './metrics.js';

/** A service that takes longer to answer is not ready. */
const PROBE_MS = 2000;

/** Asks a service for an answer. @throws if there is none. */
export type Probe = () => Promise<unknown>;

/** Each probe uses a new connection, with a time limit. */
export function probeDatabase(config: pg.ClientConfig): Probe {
  return async () => {
    const client = await connect({ ...config, connectionTimeoutMillis: PROBE_MS, query_timeout: PROBE_MS });
    try {
      await client.query('select 1');
    } finally {
      void client.end().catch(() => undefined);
    }
  };
}

/** Lists one key. */
export function probeObjectStore(store: ObjectStore, prefix: string): Probe {
  return () => store.checkAccess(prefix, AbortSignal.timeout(PROBE_MS));
}

export interface MetricsRoutesOptions {
  /** The command that runs. With `produce`, there is no mechanism Y in this process. */
  command: 'start' | 'detect' | 'produce';
  /** Of the services that the command needs, by the name in the answer of /readyz. */
  probes: Readonly<Record<string, Probe>>;
}

/**
 * `/metrics` for Prometheus, `/healthz` (the process lives) and `/readyz` (it can do its work: the services answer, and
 * mechanism Y, if it is here, works or stands by). Only /readyz uses the services. Register them before the pipeline
 * starts, so that they miss no event.
 */
export const metricsRoutes: FastifyPluginCallback<MetricsRoutesOptions> = (
  server,
  { command, probes },
  done,
) => {
  const metrics = new Metrics(command);
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
  const findSilent = async (): Promise<string[]> => {
    const found = Object.entries(probes).map(async ([name, probe]) =>
      (await isDoneWithin(PROBE_MS, probe()).catch(() => false)) ? [] : [name],
    );
    return (await Promise.all(found)).flat();
  };

  // Prometheus and probes come by a container's, a service's or a forwarded name
  const options = { config: { isUnderAnyHost: true } };
  server.get('/metrics', options, async (_, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  server.get('/healthz', options, (_, reply) => reply.type('text/plain').send('alive\n'));
  server.get('/readyz', options, async (_, reply) => {
    const refuse = (why: string) => reply.code(503).type('text/plain').send(`not ready: ${why}\n`);
    const accept = (what: string) => reply.type('text/plain').send(`ready: ${what}\n`);
    const silent = await findSilent();
    if (silent.length > 0)
      return refuse(`${silent.join(' and ')} ${silent.length === 1 ? 'does' : 'do'} not answer`);
    if (command === 'produce') return accept('producing');
    if (role === 'starting') return refuse('mechanism Y is starting');
    return accept(role === 'working' ? 'working' : 'standing by');
  });
  done();
};
