import { backtest } from '../audit/backtest.js';
import { describeBacktest } from '../audit/backtest-report.js';
import { UsageError, hasSqlState, messageOf } from '../errors.js';
import { withAuditedPipeline } from './with-audited-pipeline.js';

/** A threshold of the command line. A value that is no number stays text: the database says so, with the names there are. */
function parseThreshold(argument: string): [name: string, value: string | number] {
  const at = argument.indexOf('=');
  const [name, text] = at < 0 ? [argument, ''] : [argument.slice(0, at), argument.slice(at + 1)];
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
  return [name, Number.isFinite(number) ? number : text];
}

/**
 * `npm run backtest -- PATTERN NAME=VALUE...`: what a pattern would have detected with other thresholds.
 * @throws UsageError if there is no such pattern or threshold, or a value is no number.
 */
export async function runBacktest(
  pattern: string,
  thresholds: readonly string[],
  { json }: { json?: boolean },
): Promise<void> {
  const changed = Object.fromEntries(thresholds.map(parseThreshold));
  const result = await withAuditedPipeline((options) => backtest(options, pattern, changed)).catch(
    (error: unknown) => {
      if (!hasSqlState(error, 'noSuchRule')) throw error;
      throw new UsageError([messageOf(error)]);
    },
  );
  process.stdout.write(`${json ? JSON.stringify(result) : describeBacktest(result)}\n`);
}
