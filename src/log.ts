import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { keepEscapes, printableJson } from './printable.js';

export type { Logger };

/**
 * The process's log, on stderr: readable lines on a terminal, JSON elsewhere. Results go to stdout, never here.
 * Keys from a bucket may hold anything; what steers a terminal is written as \uNNNN in both.
 * Never pass rows, parameters or connection settings to it: what they hold is not for logs.
 */
export function createLog(level: string): Logger {
  const isTerminal = process.stderr.isTTY;
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: {
      streamWrite: (line) => (isTerminal ? keepEscapes(printableJson(line)) : printableJson(line)),
    },
  };
  return isTerminal
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
