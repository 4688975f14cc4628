import { hostname } from 'node:os';
import { pipelineEvents } from '../events.js';
import { printableJson } from './printable.js';

let run: number | undefined;
pipelineEvents.subscribe({
  runRegistered: (runId) => {
    run = runId;
  },
});

/** What every line of the log bears: the machine, and the run of mechanism Y once there is one. */
export function origin(): { host: string; run?: number } {
  return { host: hostname(), ...(run !== undefined && { run }) };
}

const LEVELS = { warn: 40, fatal: 60 };

/** A line as the log has it in JSON, for what is said beside the log: why the process ends, and warnings of Node. */
export function logLine(
  level: keyof typeof LEVELS,
  msg: string,
  fields: Record<string, string> = {},
): string {
  const time = new Date().toISOString();
  return printableJson(`${JSON.stringify({ level: LEVELS[level], time, ...origin(), ...fields, msg })}\n`);
}
