import type { FastifyInstance } from 'fastify';
import type { LiveState } from './live-state.js';

/** A browser that does not read is disconnected when this many bytes wait for it; it reconnects by itself. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const MAX_LISTENERS = 100;
/** How often a comment line is sent, so that no proxy takes a silent connection for a dead one. */
const HEARTBEAT_MS = 15_000;

/** GET /events: the live state as server-sent events, one for each section that changes. */
export function serveEvents(server: FastifyInstance, live: LiveState): void {
  let listeners = 0;
  server.get('/events', (_request, reply) => {
    if (listeners >= MAX_LISTENERS) return reply.code(503).send({ error: 'too many are listening' });
    listeners++;
    reply.hijack();
    const { raw: response } = reply;
    response.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // tells a proxy not to buffer the events
      'x-accel-buffering': 'no',
    });
    response.write('retry: 1000\n\n');
    // JSON holds no line break
    const stopListening = live.listen((section, json) => {
      response.write(`event: ${section}\ndata: ${json}\n\n`);
      if (response.writableLength > MAX_WAITING_BYTES) response.destroy();
    });
    const heartbeat = setInterval(() => response.write(':\n\n'), HEARTBEAT_MS);
    response.on('error', () => undefined);
    response.on('close', () => {
      listeners--;
      clearInterval(heartbeat);
      stopListening();
    });
  });
}
