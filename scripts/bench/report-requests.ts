/**
 * Loaded into X and Y before their own code (`node --import`). It reports each request for a chunk or a detection file,
 * which Node's diagnostics channels tell it, and the process's memory.
 */
import diagnosticsChannel from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';

/**
 * A request for one object. At its `start` it was handed to its connection, a PUT with its body; at its `answer` the
 * response began. `name` is the last part of the key, `at` is in milliseconds since 1970.
 */
export type ObjectRequest = { phase: 'start' | 'answer'; method: string; name: string; at: number };
export type Report = ObjectRequest | { rssBytes: number };

const OBJECT = /\/((?:chunk|detections)-\d+\.csv)(?:\?|$)/;
const send = (report: Report) => void process.send?.(report);

function subscribe(channel: string, phase: ObjectRequest['phase']): void {
  diagnosticsChannel.subscribe(channel, (message) => {
    const at = performance.timeOrigin + performance.now();
    const { path, method } = (message as { request: ClientRequest }).request;
    const name = OBJECT.exec(path)?.[1];
    if (name !== undefined) send({ phase, method, name, at });
  });
}
subscribe('http.client.request.start', 'start');
subscribe('http.client.response.finish', 'answer');
setInterval(() => send({ rssBytes: process.memoryUsage.rss() }), 100).unref();
// the benchmark may be killed, and then nothing else would end this process
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref(); // it must not keep the process alive
