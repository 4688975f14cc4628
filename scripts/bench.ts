/**
 * What it measures, on which set-up, why, and what to expect: see `bench/intro.ts`, which it prints at its start. One
 * file per part in `bench/`; `bench/parts.ts` lists them.
 */
import { Command, InvalidArgumentError } from 'commander';
import { UsageError, UserError } from '../src/errors.js';
import { interruptSignal } from '../src/async/signals.js';
import { withBench, type Bench } from './bench/context.js';
import { figureLines, figuresJson, targetLines, targetsJson, type Figure } from './bench/figures.js';
import { GROWTH_ROWS, growthPart } from './bench/growth/part.js';
import { intro } from './bench/intro.js';
import type { Part } from './bench/part.js';
import { parts } from './bench/parts.js';

const names = parts.map(({ name }) => name);

function partNames(text: string): string[] {
  const chosen = text.split(',');
  if (!chosen.every((name) => names.includes(name)))
    throw new InvalidArgumentError(`Choose of ${names.join(',')}.`);
  return chosen;
}

const command = new Command('bench')
  .description('Times what a chunk costs, against a bare COPY of it.')
  .option('--transactions <file>', 'instead of generated ones; with --importance')
  .option('--importance <file>')
  .option('--only <parts>', `some of ${names.join(',')}`, partNames, names)
  .option(
    '--growth [rows]',
    'instead: a stream of so many rows (default: 10,000,000, in eight to twenty minutes)',
  )
  .option('--json', 'one JSON object on stdout, everything else on stderr', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse();
const options = command.opts<{
  transactions?: string;
  importance?: string;
  only: string[];
  growth?: string | true;
  json: boolean;
}>();
if ((options.transactions === undefined) !== (options.importance === undefined))
  command.error('error: --transactions and --importance go together', { exitCode: 2 });
if (options.growth !== undefined && (options.transactions !== undefined || options.only !== names))
  command.error('error: --growth is a measurement of its own, with a stream of its own', { exitCode: 2 });

function chosenParts(): readonly Part[] {
  const { growth, only } = options;
  if (growth === undefined) return parts.filter(({ name }) => only.includes(name));
  return [growthPart(growth === true ? GROWTH_ROWS : Number(growth))];
}

const say = (text: string) => (options.json ? process.stderr : process.stdout).write(`${text}\n`);

const secondsSince = (start: number) => (performance.now() - start) / 1000;

async function measure(bench: Bench, chosen: readonly Part[]): Promise<void> {
  const start = performance.now();
  const usesInput = chosen.some(({ hasOwnInput }) => !hasOwnInput);
  const setUp = { ...bench.setUp, input: usesInput ? bench.setUp.input : undefined };
  say(intro(setUp));
  const all: Figure[] = [];
  const json: Record<string, unknown> = { set_up: setUp };
  const targets: Record<string, unknown>[] = [];
  for (const part of chosen) {
    const partStart = performance.now();
    say(`\n${part.about}`);
    const figures = await part.measure(bench);
    figureLines(figures).forEach(say);
    say(`  (${secondsSince(partStart).toFixed(0)} s)`);
    const key = part.name.replaceAll('-', '_');
    all.push(...figures);
    json[key] = figuresJson(figures);
    targets.push(...targetsJson(key, figures));
  }
  say('\nTargets:');
  targetLines(all).forEach(say);
  const seconds = secondsSince(start);
  say(`  (${seconds.toFixed(0)} s in all)`);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...json, targets, seconds })}\n`);
}

const signal = interruptSignal();
try {
  const chosen = chosenParts();
  await withBench(options, signal, (bench) => measure(bench, chosen));
} catch (error) {
  const isKnown = error instanceof UserError || error instanceof UsageError;
  if (!isKnown && !signal.aborted) throw error;
  process.stderr.write(`error: ${isKnown ? error.message : 'interrupted'}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
