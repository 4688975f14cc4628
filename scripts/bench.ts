/** Times what a chunk costs; README.md says what each part measures, why, and what to expect. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommanderError } from 'commander';
import { withResources } from '../src/async/resource-scope.js';
import { interruptSignal } from '../src/async/signals.js';
import { UsageError, UserError } from '../src/errors.js';
import { createLog } from '../src/log.js';
import { apply, dashboard } from './bench/apply.js';
import { citus } from './bench/citus.js';
import { figureLines, figuresJson, targetLines, targetsJson, type Figure } from './bench/figures.js';
import { growthPart } from './bench/growth.js';
import { ledger } from './bench/ledger.js';
import { readOptions, type BenchOptions } from './bench/options.js';
import { peers } from './bench/peers.js';
import { catchUp, latency } from './bench/pipeline.js';
import { openBench, type Bench, type Part } from './bench/set-up.js';

const usual: readonly Part[] = [apply, dashboard, catchUp, peers, latency];
/** Only by `--only`: one takes ten minutes and 10 GB of disk, the other a cluster. */
const special: readonly Part[] = [ledger, citus];
const parts = [...usual, ...special];
const namesOf = (some: readonly Part[]) => some.map(({ name }) => name);

type Say = (text: string) => void;
const secondsSince = (start: number) => (performance.now() - start) / 1000;

function sayIntro({ input, prefix, ...server }: Bench['setUp'], isGrowth: boolean, say: Say): void {
  const settings = Object.entries(server.server_settings).map(([name, value]) => `${name} ${value}`);
  say(`BankPulse's benchmark: the cost of a chunk, in terms of the least that PostgreSQL must do with it, a bare COPY of its
bytes into an unlogged table and a commit. Figures are medians. scripts/README.md says what to expect.
Set-up: PostgreSQL ${server.postgresql}, ${server.object_store}, Node ${server.node}, ${server.cores} cores (${settings.join(', ')});
databases "..._bench..." and the prefix ${prefix}, deleted afterwards.`);
  const source = input.is_generated ? 'generated' : 'the files given';
  const rows = `${input.rows.toLocaleString('en-US')} rows (${source}) in ${input.chunks} chunks`;
  if (!isGrowth) say(`${rows}; CustomerImportance was loaded in ${input.importance_load_s.toFixed(1)} s.`);
}

async function measure(
  bench: Bench,
  chosen: readonly Part[],
  { growth, json: isJson }: BenchOptions,
): Promise<void> {
  const start = performance.now();
  const isGrowth = growth !== undefined;
  const say = (text: string) => void (isJson ? process.stderr : process.stdout).write(`${text}\n`);
  sayIntro(bench.setUp, isGrowth, say);
  const results: [key: string, figures: Figure[]][] = [];
  for (const part of chosen) {
    const partStart = performance.now();
    say(`\n${part.about}`);
    const figures = await part.measure(bench, say);
    figureLines(figures).forEach(say);
    say(`  (${secondsSince(partStart).toFixed(0)} s)`);
    results.push([part.name.replaceAll('-', '_'), figures]);
  }
  say('\nTargets:');
  targetLines(results.flatMap(([, figures]) => figures)).forEach(say);
  const seconds = secondsSince(start);
  say(`  (${seconds.toFixed(0)} s in all)`);
  if (!isJson) return;
  const set_up = isGrowth ? { ...bench.setUp, input: undefined } : bench.setUp;
  const values = Object.fromEntries(results.map(([key, figures]) => [key, figuresJson(figures)]));
  const targets = results.flatMap(([key, figures]) => targetsJson(key, figures));
  process.stdout.write(`${JSON.stringify({ set_up, ...values, targets, seconds })}\n`);
}

function partsOf({ growth, only }: BenchOptions): Part[] {
  if (growth === undefined) return parts.filter(({ name }) => only.includes(name));
  return [growthPart(growth === true ? undefined : Number(growth))];
}

/** @returns the exit code: 1 failed or was interrupted, 2 wrong usage or configuration */
export async function main(argv: readonly string[]): Promise<number> {
  const signal = interruptSignal();
  const log = createLog('warn');
  try {
    const options = readOptions(argv, namesOf(usual), {}, namesOf(special));
    const chosen = partsOf(options);
    await withResources(log, async (closeLater) =>
      measure(await openBench(options, signal, log, closeLater), chosen, options),
    );
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode; // it was said
    const isKnown = error instanceof UserError || error instanceof UsageError;
    if (!isKnown && !signal.aborted) throw error;
    process.stderr.write(`error: ${isKnown ? error.message : 'interrupted'}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  process.exitCode = await main(process.argv.slice(2));
