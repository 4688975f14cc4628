import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import { isAllowedHost, refusalOf, type Served } from './hosts.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route answers under any host name: it is for machines, which reach this one by many names. */
    isUnderAnyHost?: boolean;
  }
}

/**
 * The rules for every request: only GET and HEAD, and only with a host name of this server, unless the route answers
 * under any. The page may load resources from this server only, and run scripts only from its files.
 */
export async function secure(server: FastifyInstance, served: Omit<Served, 'port'>): Promise<void> {
  await server.register(helmet, {
    global: true,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // plain HTTP on loopback by default; a proxy that speaks TLS sets it itself
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });

  server.addHook('onRequest', async (request, reply) => {
    const { host } = request.headers;
    const here = { ...served, port: request.socket.localPort ?? 0 };
    if (!request.routeOptions.config.isUnderAnyHost && !isAllowedHost(host, here)) {
      return reply.code(403).send({ error: refusalOf(host) });
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply.code(405).header('allow', 'GET, HEAD').send({ error: 'the dashboard can only be read' });
    }
  });
}
