import pino, { type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { origin } from './text/log-line.js';
import { keepEscapes, printableJson } from './text/printable.js';

export type { Logger };

const isRoutine = Symbol('routine');
/**
 * Marks a line that every ordinary chunk causes: `log.info({ ...routine, chunk: 7 }, 'chunk applied')`. A live display
 * shows the same, so above it these lines are left out, unless LOG_LEVEL asks for more than info.
 */
export const routine = { [isRoutine]: true };

/**
 * The process's log, on stderr: readable lines on a terminal, JSON with host and run elsewhere. Results go to stdout, never here.
 * Keys from a bucket may hold any character; those that control a terminal are written as \uNNNN in both formats.
 * Never pass rows, parameters or connection settings to it: they hold personal data and secrets. Detections are what
 * mechanism Y is there to tell, so their sentences are logged, with the customer's name.
 */
export function createLog(level: string, { leavesOutRoutine = false } = {}): Logger {
  const hooks: pino.LoggerOptions['hooks'] = {};
  const options: pino.LoggerOptions = {
    level,
    base: null,
    mixin: origin,
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
    // pino's own destination goes on when the reader of a pipe is gone; a stream put in place of stderr is not fd 2
    if (process.stderr.fd !== 2) return pino(options, process.stderr);
    const destination = pino.destination({ dest: 2, sync: true });
    destination.on('error', () => undefined); // a full disk behind the log must not end the pipeline
    return pino(options, destination);
  }
  hooks.streamWrite = (line) => keepEscapes(printableJson(line));
  const format = prettyFactory({
    singleLine: true,
    // the process's own zone, unless TIME_ZONE names one, which then stands beside
    translateTime: process.env.TIME_ZONE ? 'SYS:HH:MM:ss.l o' : 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,host,run',
    colorize: process.stderr.hasColors(),
  });
  // through process.stderr, where a live display makes room for the line
  return pino(options, { write: (line) => process.stderr.write(format(JSON.parse(line) as object)) });
}
