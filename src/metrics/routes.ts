import type { FastifyPluginCallback } from 'fastify';
import { isDoneWithin } from '../async/time-limit.js';
import { pipelineEvents, type Role } from '../events.js';
import { Metrics } from './metrics.js';
import { PROBE_MS, type Probe } from './probes.js';

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
  const askAll = async (): Promise<string[]> => {
    const found = Object.entries(probes).map(async ([name, probe]) =>
      (await isDoneWithin(PROBE_MS, probe()).catch(() => false)) ? [] : [name],
    );
    return (await Promise.all(found)).flat();
  };
  let asking: Promise<string[]> | undefined;
  /** The services that do not answer. However many ask at once, the services are asked once. */
  const findSilent = () => (asking ??= askAll().finally(() => (asking = undefined)));

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
    if (role === 'ended') return refuse('mechanism Y has ended');
    return accept(role === 'working' ? 'working' : 'standing by');
  });
  done();
};
