/**
 * Loaded into X and Y before anything of theirs (`node --import`): tells the bench, by Node's own diagnostics, when they
 * ask the object store for a chunk or a detection file and when it answers, and how much memory they have. Without it
 * they are what a user runs.
 */
import diagnosticsChannel from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { wallClock } from './wall-clock.js';

/** A request about one object. */
export interface ObjectRequest {
  /**
   * Begun is when the request was handed to its connection, a put with its body. The answer to a put comes when the
   * object is stored, that to a get before its body.
   */
  phase: 'begun' | 'answered';
  method: string;
  /** The key's last part. */
  name: string;
  /** On the wall clock. */
  at: number;
}

/** One message to the bench. */
export type Told = { request: ObjectRequest } | { rssBytes: number };

const MEMORY_MS = 100;
const OBJECT = /\/((?:chunk|detections)-\d+\.csv)(?:\?|$)/;

const tell = (told: Told) => void process.send?.(told);

for (const [channel, phase] of [
  ['http.client.request.start', 'begun'],
  ['http.client.response.finish', 'answered'],
] as const) {
  diagnosticsChannel.subscribe(channel, (message) => {
    const at = wallClock();
    const { path, method } = (message as { request: ClientRequest }).request;
    const name = OBJECT.exec(path)?.[1];
    if (name !== undefined) tell({ request: { phase, method, name, at } });
  });
}

let peak = 0;
setInterval(() => {
  const rssBytes = process.memoryUsage.rss();
  if (rssBytes > peak) tell({ rssBytes });
  peak = Math.max(peak, rssBytes);
}, MEMORY_MS).unref();
// whoever listens may be killed: nobody else would ever end it
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// being able to tell is no reason to stay
process.channel?.unref();
