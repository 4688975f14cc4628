import helmet from '@fastify/helmet';
import type { FastifyInstance } from 'fastify';
import { isAllowedHost } from './hosts.js';

/**
 * The rules for every request: only GET and HEAD, and only with a host name of this server. The page may load resources
 * from this server only, and run scripts only from its files.
 */
export async function secure(server: FastifyInstance, host: string): Promise<void> {
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
    if (!isAllowedHost(request.headers.host, host, request.socket.localPort ?? 0)) {
      return reply.code(403).send({ error: 'this host name is not served here' });
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return reply.code(405).header('allow', 'GET, HEAD').send({ error: 'the dashboard can only be read' });
    }
  });
}
