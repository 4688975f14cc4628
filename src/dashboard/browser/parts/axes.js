import { formatCount, formatTime } from '/format.js';

/**
 * The axes of a chart.
 * @param {(name: string) => string} color
 * @param {{ isTime?: boolean, format?: (value: number) => string, size?: number }} [options]
 */
export function axes(color, { isTime = false, format = formatCount, size = 48 } = {}) {
  const common = {
    stroke: color('muted'),
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const x = isTime
    ? { space: 90, values: each((seconds) => formatTime(new Date(seconds * 1000).toISOString())) }
    : { space: 50, incrs: wholeSteps, values: each(formatCount) };
  return [
    { ...common, ...x, size: 28, grid: { show: false } },
    {
      ...common,
      size,
      space: 40,
      incrs: wholeSteps,
      grid: { stroke: color('line'), width: 1 },
      values: each(format),
    },
  ];
}

/** Distances between marks: the charts show whole numbers only. */
const wholeSteps = Array.from({ length: 12 }, (_value, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();

/** @param {(value: number) => string} format */
function each(format) {
  return (/** @type {any} */ _plot, /** @type {number[]} */ values) => values.map(format);
}

/** A scale from 0 up, with some room above the greatest value. */
export const fromZero = {
  range: (/** @type {any} */ _plot, /** @type {number} */ _least, /** @type {number} */ most) =>
    /** @type {[number, number]} */ ([0, (most || 1) * 1.1]),
};
