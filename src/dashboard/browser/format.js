const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const share = new Intl.NumberFormat('en', {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const plainShare = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 });
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** Shown instead of a missing value. */
export const NONE = '–';

/**
 * @param {Intl.NumberFormat} format
 * @returns {(value: number | null | undefined) => string}
 */
const formatter = (format) => (value) =>
  value === null || value === undefined ? NONE : format.format(value);

/** 12,345 */
export const formatCount = formatter(whole);
/** 1,234.50 */
export const formatAmount = formatter(money);
/** 94.2% of 0.942 */
export const formatShare = formatter(share);
/** 10% of 0.1 */
export const formatPlainShare = formatter(plainShare);

/** As it is, with at most four places: 0.9, 24.6, 50,000 */
export const formatNumber = formatter(number);

/** @type {Record<string, string>} */
const comparisons = { from: 'at least', above: 'more than', below: 'less than', up_to: 'at most' };

/** "transactions at least" of transactions_from @param {string} threshold */
export function conditionOf(threshold) {
  const [, key = threshold, comparison = ''] = /^(.+)_(from|above|below|up_to)$/.exec(threshold) ?? [];
  return `${key.replaceAll('_', ' ')} ${comparisons[comparison] ?? ''}`.trim();
}

/** @param {number | null | undefined} milliseconds */
export function formatDuration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return NONE;
  if (milliseconds < 9950) return `${whole.format(milliseconds)} ms`;
  return formatSeconds(milliseconds / 1000);
}

/** @param {number} seconds */
export function formatSeconds(seconds) {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 120) return `${whole.format(seconds)} s`;
  if (seconds < 7200) return `${whole.format(seconds / 60)} min`;
  return `${whole.format(seconds / 3600)} h`;
}

/**
 * The time of day, with the date unless it is today; in the reader's time zone.
 * @param {string | null | undefined} time ISO 8601
 */
export function formatTime(time) {
  if (!time) return NONE;
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? clock : dayAndClock).format(date);
}

/** @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${whole.format(bytes / 1e3)} kB`;
  return `${whole.format(bytes / 1e6)} MB`;
}

/** "1 chunk", "2 chunks" @param {number} count @param {string} noun */
export function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
