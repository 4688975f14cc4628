import { Command, InvalidArgumentError, type OutputConfiguration } from 'commander';
import type { GivenFiles } from './input.js';

/** What the benchmark is asked for. */
export interface BenchOptions extends GivenFiles {
  only: string[];
  /** Of the catch-up. */
  rounds: number;
  growth?: string | true;
  json: boolean;
}

/**
 * Reads the command line.
 * @param parts the names of the parts that are chosen without `--only`
 * @param output instead of stdout and stderr
 * @param more names that only `--only` chooses
 * @throws CommanderError with exit code 2 for a wrong one, after it was said on stderr; with 0 for `--help`
 */
export function readOptions(
  args: readonly string[],
  parts: readonly string[],
  output: OutputConfiguration = {},
  more: readonly string[] = [],
): BenchOptions {
  const names = [...parts, ...more];
  const partNames = (text: string): string[] => {
    const chosen = text.split(',');
    if (chosen.every((name) => names.includes(name))) return chosen;
    throw new InvalidArgumentError(`Choose from ${names.join(',')}.`);
  };
  const count = (text: string): number => {
    if (/^[1-9]\d?$/.test(text)) return Number(text);
    throw new InvalidArgumentError('From 1 to 99.');
  };
  const command = new Command('bench')
    .configureOutput(output)
    .description('Times what a chunk costs, in terms of a bare COPY of it.')
    .option('--transactions <file>', 'instead of a generated one; with --importance')
    .option('--importance <file>')
    .option('--only <parts>', `some of ${names.join(',')}`, partNames, [...parts])
    .option('--rounds <n>', 'of the catch-up', count, 3)
    .option('--growth [rows]', 'instead: a stream of 10,000,000 or so many rows, in eight to twenty minutes')
    .option('--json', 'one JSON object on stdout, all other output on stderr', false)
    .exitOverride((error) => {
      error.exitCode = error.exitCode === 0 ? 0 : 2;
      throw error;
    })
    .parse(args, { from: 'user' });
  const options = command.opts<BenchOptions>();
  const isChosen = (name: string) => command.getOptionValueSource(name) === 'cli';
  if ((options.transactions === undefined) !== (options.importance === undefined))
    command.error('error: --transactions and --importance go together');
  if (options.growth !== undefined && ['transactions', 'only', 'rounds'].some(isChosen))
    command.error('error: --growth has a stream of its own, and excludes the other parts');
  return options;
}
