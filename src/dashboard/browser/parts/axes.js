import { formatCount, formatMoment } from '/format.js';

/**
 * The axes of a chart.
 * @param {(name: string) => string} color
 * @param {{ isTime?: boolean, format?: (value: number) => string }} [options]
 */
export function axes(color, { isTime = false, format = formatCount } = {}) {
  const common = {
    stroke: color('muted'),
    ticks: { show: false },
    font: FONT,
  };
  const mark = isTime
    ? (/** @type {number} */ seconds) => formatMoment(new Date(seconds * 1000).toISOString())
    : formatCount;
  const x = {
    // between the middles of two marks: the wider one, and a gap
    space: (
      /** @type {any} */ _plot,
      /** @type {number} */ _axis,
      /** @type {number} */ least,
      /** @type {number} */ most,
    ) => widest([mark(least), mark(most)]) + 20,
    ...(isTime ? {} : { incrs: wholeSteps }),
    values: each(mark),
  };
  return [
    { ...common, ...x, size: 28, grid: { show: false } },
    {
      ...common,
      size: (/** @type {any} */ _plot, /** @type {string[] | null} */ values) => widest(values ?? []) + 14,
      space: 40,
      incrs: wholeSteps,
      grid: { stroke: color('line'), width: 1 },
      values: each(format),
    },
  ];
}

const FONT = '12px system-ui, sans-serif';
const ruler = document.createElement('canvas').getContext('2d');

/** The width of the widest of these texts, in pixels. @param {string[]} texts */
function widest(texts) {
  if (!ruler) return 60;
  ruler.font = FONT;
  return Math.ceil(Math.max(20, ...texts.map((text) => ruler.measureText(text).width)));
}

/** Distances between marks: the charts show whole numbers only. */
const wholeSteps = Array.from({ length: 12 }, (_value, power) =>
  [1, 2, 5].map((step) => step * 10 ** power),
).flat();

/** @param {(value: number) => string} format */
function each(format) {
  return (/** @type {any} */ _plot, /** @type {number[]} */ values) => values.map(format);
}

/** Values above this many times the median would flatten all others: they leave the chart at its top. */
const SPIKE = 4;

/** The greatest value that a chart shows. @param {(number | null)[]} values */
export function topOf(values) {
  const known = values.filter((value) => value !== null).sort((one, other) => one - other);
  const limit = SPIKE * (known[Math.floor(known.length / 2)] ?? 0);
  return (limit > 0 ? known.findLast((value) => value <= limit) : undefined) ?? known.at(-1) ?? 0;
}

/** A scale from 0 up, with some room above the greatest value. */
export const fromZero = {
  range: (/** @type {any} */ _plot, /** @type {number} */ _least, /** @type {number} */ most) =>
    /** @type {[number, number]} */ ([0, (most || 1) * 1.1]),
};

/** The same for a chart of one series, whose spikes leave it at its top. */
export const fromZeroWithoutSpikes = {
  range: (/** @type {any} */ plot) => fromZero.range(plot, 0, topOf(plot.data[1])),
};

/** Room for the half of a mark at the right end, in pixels. @param {any} plot */
export function endRoom(plot) {
  const { max } = plot.scales.x;
  return typeof max === 'number' ? Math.ceil(widest(plot.axes[0].values(plot, [max])) / 2) + 4 : 12;
}
