import pino, { type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { keepEscapes, printableJson } from './text/printable.js';

export type { Logger };

const isRoutine = Symbol('routine');
/**
 * Put into a line that comes with every chunk and says nothing new: `log.info({ ...routine, chunk: 7 }, 'chunk applied')`.
 * A live display shows the same better, so there such lines are left out, unless LOG_LEVEL asks for more than info.
 */
export const routine = { [isRoutine]: true };

/**
 * The process's log, on stderr: readable lines on a terminal, JSON elsewhere. Results go to stdout, never here.
 * Keys from a bucket may hold anything; what steers a terminal is written as \uNNNN in both.
 * Never pass rows, parameters or connection settings to it: what they hold is not for logs.
 */
export function createLog(level: string, { leavesOutRoutine = false } = {}): Logger {
  const hooks: pino.LoggerOptions['hooks'] = {};
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks,
  };
  if (leavesOutRoutine && pino.levels.values[level]! >= pino.levels.values.info!) {
    hooks.logMethod = function (line, write) {
      const [fields] = line as unknown[];
      if (!(typeof fields === 'object' && fields !== null && isRoutine in fields)) write.apply(this, line);
    };
  }
  if (!process.stderr.isTTY) {
    hooks.streamWrite = printableJson;
    // a destination of pino's outlives its reader; where the stream was exchanged, its descriptor is not 2
    return pino(
      options,
      process.stderr.fd === 2 ? pino.destination({ dest: 2, sync: true }) : process.stderr,
    );
  }
  hooks.streamWrite = (line) => keepEscapes(printableJson(line));
  const format = prettyFactory({
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    colorize: process.stderr.hasColors(),
  });
  // by way of process.stderr, where a live display makes room for it
  return pino(options, { write: (line) => process.stderr.write(format(JSON.parse(line) as object)) });
}
