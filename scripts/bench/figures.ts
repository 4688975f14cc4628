import { quantile } from 'simple-statistics';

type Countable =
  'rows' | 'chunks' | 'pairs' | 'customers' | 'merchants' | 'detections' | 'files' | 'statements';
export type Unit = 'ms' | 'µs' | 'rows/s' | 'MB' | 'times' | Countable;
type Spread = { median: number; p95: number; p99?: number };
/** undefined if the input is too small to measure it. */
export type Value = number | Spread | undefined;
/** A bound for the value, or for the p99 of a spread. */
export type Target = ({ most: number } | { least: number }) & { of?: 'p99' };

/** One result: its name in the JSON, its name in the text, and its value. */
export type Figure = ReturnType<typeof figure>;
export function figure(key: string, what: string, unit: Unit, value: Value, target?: Target) {
  return { key, what, unit, value, target };
}

// undefined without measurements
export const median = (values: number[]) => (values.length === 0 ? undefined : quantile(values, 0.5));
export function spread(values: number[], hasP99 = false): Spread | undefined {
  if (values.length === 0) return undefined;
  const [p50, p95, p99] = quantile(values, [0.5, 0.95, 0.99]) as [number, number, number];
  return { median: p50, p95, ...(hasP99 && { p99 }) };
}
export const ratio = (value: number | undefined, by: number | undefined) =>
  value === undefined || by === undefined ? undefined : value / by;

const withUnit = (text: string, unit: Unit) => (unit === 'times' ? text : `${text} ${unit}`);

function numberText(value: number, unit: Unit): string {
  const digits = { ms: 1, µs: 1, times: 2 }[unit as string] ?? 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function valueText({ value, unit }: Figure): string {
  if (value === undefined) return 'not measured: too little input, or not to be seen here';
  if (typeof value === 'number') return withUnit(numberText(value, unit), unit);
  const { median, ...tail } = value;
  const tails = Object.entries(tail).map(([name, each]) => `${name} ${numberText(each, unit)}`);
  return `${withUnit(numberText(median, unit), unit)} (${tails.join(', ')})`;
}

function targetText({ target, unit }: Figure): string {
  if (!target) return '';
  const bound = 'most' in target ? `at most ${target.most}` : `at least ${target.least}`;
  return withUnit(target.of ? `${target.of} ${bound}` : bound, unit);
}

/** The number that the target bounds. */
const measured = ({ value, target }: Figure) =>
  typeof value === 'object' ? value[target?.of ?? 'median'] : value;

/** Whether the target is met; undefined without a target or a value. */
export function isMet(figure: Figure): boolean | undefined {
  const { target } = figure;
  const value = measured(figure);
  if (!target || value === undefined) return undefined;
  return 'most' in target ? value <= target.most : value >= target.least;
}

/** Pads the cells, so that each column has one width. */
function columns(rows: readonly string[][]): string[] {
  const width = (index: number) => Math.max(...rows.map((row) => row[index]!.length));
  const padded = rows.map((row) => row.map((cell, index) => cell.padEnd(width(index))));
  return padded.map((row) => row.join('  ').trimEnd());
}

/** One line per figure. */
export const figureLines = (figures: readonly Figure[]) =>
  columns(figures.map((each) => [`  ${each.what}`, valueText(each)]));

const targeted = (figures: readonly Figure[]) => figures.filter(({ target }) => target);

/** One line per figure that has a target: the figure, the target, and whether it is met. */
export function targetLines(figures: readonly Figure[]): string[] {
  const verdict = (figure: Figure) => ({ true: 'met', false: 'not met', undefined: '' })[`${isMet(figure)}`];
  const cells = (each: Figure) => [`  ${each.what}`, valueText(each), targetText(each), verdict(each)];
  return columns(targeted(figures).map(cells));
}

/** The values by their keys; null where nothing was measured. */
export const figuresJson = (figures: readonly Figure[]): Record<string, unknown> =>
  Object.fromEntries(figures.map(({ key, value }) => [key, value ?? null]));

/** The figures of a part that have a target, with it. */
export const targetsJson = (part: string, figures: readonly Figure[]): Record<string, unknown>[] =>
  targeted(figures).map((each) => {
    const [value, is_met] = [measured(each) ?? null, isMet(each) ?? null];
    return { figure: `${part}.${each.key}`, value, target: each.target, is_met };
  });
