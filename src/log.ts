import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

/**
 * The process's log, on stderr: readable lines on a terminal, JSON elsewhere. Results go to stdout, never here.
 * Never pass rows, parameters or connection settings to it: what they hold is not for logs.
 */
export function createLog(level: string): Logger {
  const options: pino.LoggerOptions = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return process.stderr.isTTY
    ? pino(
        options,
        pretty({
          destination: 2,
          sync: true,
          singleLine: true,
          translateTime: 'SYS:HH:MM:ss.l',
          ignore: 'pid,hostname',
        }),
      )
    : pino(options, pino.destination({ dest: 2, sync: true }));
}
