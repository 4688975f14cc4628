import type pg from 'pg';
import { createLog, type Logger } from '../log.js';

/** The log of a command, and on a terminal a live display below it. */
export interface Terminal {
  log: Logger;
  /** Reads totals and detections from this database. @returns a function that closes the connection. */
  follow(config: pg.ClientConfig): () => Promise<void>;
  /** Removes the display; the log stays. */
  close(): void;
}

/** Whether stderr is a terminal that can move its cursor, and not that of a CI job. */
export function isLive(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  const isCi = !['', 'false', '0'].includes(env.CI ?? '');
  return stream.isTTY === true && !['', 'dumb'].includes(env.TERM ?? '') && !isCi;
}

/**
 * On a terminal a live display, with fewer log lines above it; otherwise the log alone, without the display's libraries,
 * which would take a tenth of the start.
 */
export async function openTerminal(level: string): Promise<Terminal> {
  if (!isLive(process.stderr, process.env) || level === 'silent') {
    return { log: createLog(level), follow: () => () => Promise.resolve(), close: () => undefined };
  }
  const { Display } = await import('./display.js');
  const display = new Display();
  return {
    log: createLog(level, { leavesOutRoutine: true }),
    follow: (config) => display.follow(config),
    close: () => display.close(),
  };
}
