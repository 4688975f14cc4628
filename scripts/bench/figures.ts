import type { Spread } from './measure.js';

export type Unit = 'ms' | 'µs' | 'rows/s' | 'MB' | 'times' | Countable;

type Countable = 'rows' | 'chunks' | 'pairs' | 'customers' | 'merchants' | 'detections' | 'files';

/** What is to be reached: by the value, or by the p99 of a spread. */
export type Target = { most: number; of?: 'p99' } | { least: number; of?: 'p99' };

/** One result. */
export interface Figure {
  /** In the JSON. */
  key: string;
  /** For people. */
  what: string;
  unit: Unit;
  /** undefined where the input has nothing to measure it by. */
  value: number | Spread | undefined;
  target?: Target;
}

/** Of units that need any. */
const DIGITS: Partial<Record<Unit, number>> = { ms: 1, µs: 1, times: 2 };

function numberText(value: number, unit: Unit): string {
  const digits = DIGITS[unit] ?? 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

const withUnit = (text: string, unit: Unit) => (unit === 'times' ? text : `${text} ${unit}`);

function valueText({ value, unit }: Figure): string {
  if (value === undefined) return 'not measured: too little input';
  if (typeof value === 'number') return withUnit(numberText(value, unit), unit);
  const { median, p95, p99 } = value;
  const tail = [['p95', p95] as const, ...(p99 === undefined ? [] : [['p99', p99] as const])];
  const tails = tail.map(([name, each]) => `${name} ${numberText(each, unit)}`).join(', ');
  return `${withUnit(numberText(median, unit), unit)} (${tails})`;
}

/** What a target is held against. */
function measured({ value, target }: Figure): number | undefined {
  return typeof value === 'object' ? value[target?.of ?? 'median'] : value;
}

/** Whether the target is met; undefined where nothing was measured. */
export function isMet(figure: Figure): boolean | undefined {
  const { target } = figure;
  const value = measured(figure);
  if (!target || value === undefined) return undefined;
  return 'most' in target ? value <= target.most : value >= target.least;
}

function targetText({ target, unit }: Figure): string {
  if (!target) return '';
  const bound = 'most' in target ? `at most ${target.most}` : `at least ${target.least}`;
  return withUnit(target.of ? `${target.of} ${bound}` : bound, unit);
}

/** Lines of equal columns. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (index: number) => Math.max(...rows.map((row) => row[index]!.length));
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(width(index)))
      .join('  ')
      .trimEnd(),
  );
}

/** One line per figure. */
export function figureLines(figures: readonly Figure[]): string[] {
  return columns(figures.map((figure) => [`  ${figure.what}`, valueText(figure)]));
}

/** One line per figure that has a target: the figure, the target, and whether it is met. */
export function targetLines(figures: readonly Figure[]): string[] {
  const verdict = { true: 'met', false: 'not met', undefined: '' };
  return columns(
    figures
      .filter(({ target }) => target)
      .map((figure) => [
        `  ${figure.what}`,
        valueText(figure),
        targetText(figure),
        verdict[`${isMet(figure)}`],
      ]),
  );
}

/** The figures by their keys; null where nothing was measured. */
export function figuresJson(figures: readonly Figure[]): Record<string, unknown> {
  return Object.fromEntries(figures.map(({ key, value }) => [key, value ?? null]));
}

/** The figures of a part that have a target, with it. */
export function targetsJson(part: string, figures: readonly Figure[]): Record<string, unknown>[] {
  return figures
    .filter(({ target }) => target)
    .map((figure) => ({
      figure: `${part}.${figure.key}`,
      value: measured(figure) ?? null,
      target: figure.target,
      is_met: isMet(figure) ?? null,
    }));
}
