import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import type { PruneFlags } from './commands/prune.js';
import { UsageError, UserError, codeOf, isDataError } from './errors.js';
import { logLine } from './text/log-line.js';
import { printable } from './text/printable.js';

/**
 * The commands. Each loads only its own libraries: those of the others would double the time of its start. `end` gets
 * the exit code of a command that may end with another one than 0.
 */
function programOf(end: (exitCode: number) => void): Command {
  const program = new Command('bankpulse')
    .description('Watches a stream of bank transactions and tells merchants which customers to act on.')
    .exitOverride()
    .showHelpAfterError();

  const onceText =
    'end when every chunk in the bucket is applied or quarantined, instead of waiting for more';
  program
    .command('start')
    .description('run mechanisms X and Y together')
    .option('--once', onceText, false)
    .action(async (options: { once: boolean }) => (await import('./commands/start.js')).runStart(options));
  program
    .command('produce')
    .description('mechanism X: cut the transactions into chunks in S3')
    .action(async () => (await import('./commands/produce.js')).runProduce());
  program
    .command('detect')
    .description('mechanism Y: apply the chunks, write the detections')
    .option('--once', onceText, false)
    .action(async (options: { once: boolean }) => (await import('./commands/detect.js')).runDetect(options));
  program
    .command('migrate')
    .description('bring the schema up to date')
    .action(async () => (await import('./commands/migrate.js')).runMigrate());
  program
    .command('generate')
    .description("write a pair of input files like BankSim's")
    .option('--rows <number>', 'rows of each file')
    .option('--seed <number>', 'the same rows and seed give the same bytes')
    .option('--out <folder>', 'the folder of the files (default: data)')
    .action(async (options: { rows?: string; seed?: string; out?: string }) =>
      (await import('./commands/generate.js')).runGenerate(options),
    );
  program
    .command('seed')
    .description('load a small data set with all three patterns')
    .action(async () => (await import('./commands/seed.js')).runSeed());
  program
    .command('status')
    .description('print the state of the pipeline')
    .option('--json', 'as one JSON object')
    .option('--listing', 'list the bucket, and count what waits there')
    .action(async (options: { json?: boolean; listing?: boolean }) =>
      (await import('./commands/status.js')).runStatus(options),
    );
  program
    .command('quarantine')
    .description('list quarantined objects, or let mechanism Y try one again')
    .option('--retry <key>', 'take this object out of quarantine')
    .action(async (options: { retry?: string }) =>
      (await import('./commands/quarantine.js')).runQuarantine(options),
    );
  const fromStartText = 'begin at the first chunk instead of the checkpoint';
  program
    .command('verify')
    .description('replay the ledger in a scratch database and compare')
    .option('--from-start', fromStartText, false)
    .action(async (options: { fromStart: boolean }) =>
      end(await (await import('./commands/verify.js')).runVerify(options)),
    );
  program
    .command('rebuild')
    .description('build the running state again from the ledger and S3')
    .option('--from-start', fromStartText, false)
    .action(async (options: { fromStart: boolean }) =>
      end(await (await import('./commands/rebuild.js')).runRebuild(options)),
    );
  program
    .command('backtest')
    .description('show what a pattern would have detected with other thresholds')
    .argument('<pattern>')
    .argument('[thresholds...]', 'NAME=VALUE, those that change')
    .option('--json', 'as one JSON object')
    .action(async (pattern: string, thresholds: string[], options: { json?: boolean }) =>
      (await import('./commands/backtest.js')).runBacktest(pattern, thresholds, options),
    );
  program
    .command('doctor')
    .description('try everything that the pipeline needs, and say what to do')
    .option('--all', 'show every setting, and each thing that was not tried', false)
    .action(async (options: { all: boolean }) =>
      end(await (await import('./commands/doctor.js')).runDoctor(options)),
    );
  program
    .command('prune')
    .description('store a checkpoint, then remove what is old and nothing needs any more')
    .requiredOption('--older-than <days>', 'the age, in days')
    .option('--dry-run', 'only say what would be removed', false)
    .option('--unverified', 'take the state as it is, instead of verifying it first', false)
    .option('--from-start', 'verify from the first chunk instead of the former checkpoint', false)
    .action(async (options: PruneFlags) =>
      end(await (await import('./commands/prune.js')).runPrune(options)),
    );
  program
    .command('distribute')
    .description('distribute the running state over the workers of Citus')
    .option('--shards <number>', 'shards of each table, when it is distributed first (default: 6)')
    .action(async (options: { shards?: string }) =>
      (await import('./commands/distribute.js')).runDistribute(options),
    );
  program
    .command('psql')
    .description('run psql on the configured database')
    .argument('[args...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args: string[]) => end(await (await import('./commands/psql.js')).runPsql(args)));
  return program;
}

/** Says why the command ends: as text on a terminal, elsewhere as a line of the log. */
function say(text: string, prefix: string, fields?: Record<string, string>): void {
  process.stderr.write(
    process.stderr.isTTY ? `${prefix}${printable(text)}\n` : logLine('fatal', text, fields),
  );
}

/** Says the error. @returns the exit code: 1 failed, 2 wrong usage or configuration. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) {
    for (const problem of error.problems) say(`configuration: ${problem}`, '');
    return 2;
  }
  if (error instanceof UserError) {
    say(error.message, 'error: ');
    return 1;
  }
  // An unexpected error: the stack shows where it came from. The details of an error of PostgreSQL may quote rows, and
  // so may the message if the error is about data: they are not printed.
  const code = codeOf(error);
  const what = `unexpected error${code ? ` (${code})` : ''}`;
  const lines = ((error as Error).stack ?? String(error)).split('\n');
  const isPlace = (line: string) => /^ +at /.test(line);
  const told = isDataError(error) ? lines.filter(isPlace) : lines;
  if (process.stderr.isTTY) {
    process.stderr.write(`${what}: ${told.map((line) => printable(line)).join('\n')}\n`);
  } else {
    const words = told.filter((line) => !isPlace(line)).join(' ');
    say(`${what}${words && `: ${words}`}`, '', {
      stack: told
        .filter(isPlace)
        .map((line) => line.trim())
        .join(' '),
    });
  }
  return 1;
}

/**
 * Runs one command with the arguments of the shell: `main(['status', '--json'])`.
 * @returns the exit code. @throws if a package of the command is not installed: run.cjs says what to do.
 */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  try {
    await programOf((code) => (exitCode = code)).parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (codeOf(error) === 'ERR_MODULE_NOT_FOUND') throw error;
    return report(error);
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // a reader that wants no more ends neither the command nor, with `npm start`, the pipeline; a full disk fails the command
  process.stdout.on('error', (error: Error) => {
    if (codeOf(error) === 'EPIPE') return;
    process.exitCode = report(new UserError(`the output cannot be written: ${error.message}`));
  });
  process.stderr.on('error', () => undefined);
  // Node itself would print every property of the error
  process.on('uncaughtException', (error) => process.exit(report(error)));
  if (!process.stderr.isTTY) {
    process.removeAllListeners('warning'); // Node's own, which writes several lines
    if (process.env.NODE_NO_WARNINGS !== '1')
      process.on('warning', ({ name, message, stack }) =>
        process.stderr.write(logLine('warn', `${name}: ${message}`, stack === undefined ? {} : { stack })),
      );
  }
  const exitCode = await main(process.argv.slice(2));
  process.exitCode ??= exitCode;
}
