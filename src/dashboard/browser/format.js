const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const share = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });

/** @type {string | undefined} the reader's own, unless TIME_ZONE is set */
let zone;
/** @param {Intl.DateTimeFormatOptions} options */
const timeFormat = (options) =>
  new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZone: zone,
    ...options,
  });
const timeFormats = () => ({
  clock: timeFormat({}),
  day: timeFormat({ day: 'numeric', month: 'short' }),
  zoneName: timeFormat({ timeZoneName: 'short' }),
});
let times = timeFormats();

/** @param {string | null | undefined} name an IANA name */
export function setTimeZone(name) {
  if ((name ?? undefined) === zone) return;
  zone = name ?? undefined;
  times = timeFormats();
}

/** Shown instead of a missing value. */
export const NONE = '–';

/**
 * @param {{ format: (value: number) => string }} format
 * @returns {(value: number | null | undefined) => string}
 */
const formatter = (format) => (value) =>
  value === null || value === undefined ? NONE : format.format(value);

/** 12,345 */
export const formatCount = formatter(whole);
/** 1,234.50 */
export const formatAmount = formatter(money);
const withSign = (/** @type {string} */ text) => `${text}\u00a0%`;
/** 94.2 % of 0.942 */
export const formatShare = formatter({ format: (value) => withSign(share.format(100 * value)) });
/** 10 % of 0.1 */
export const formatPlainShare = formatter({ format: (value) => withSign(number.format(100 * value)) });

/** As it is, with at most four places: 0.9, 24.6, 50,000 */
export const formatNumber = formatter(number);

/** A value that a threshold limits, or the threshold: a percent rank as a percentage. @param {string} name @param {number | null} value */
export const formatMeasure = (name, value) =>
  (/percent_rank/.test(name) ? formatPlainShare : formatNumber)(value);

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

const dayOf = (/** @type {Date} */ date) => times.day.format(date).split(',')[0];

/**
 * The time of day, with the date unless it is today: for marks of a chart, where the zone stands beside.
 * @param {string | null | undefined} time ISO 8601
 */
export function formatMoment(time) {
  if (!time) return NONE;
  const date = new Date(time);
  const isToday = dayOf(date) === dayOf(new Date());
  return (isToday ? times.clock : times.day).format(date);
}

/** The zone of the page's times, such as UTC or GMT+5:30. @param {string} time ISO 8601 */
export const zoneOf = (time) =>
  times.zoneName.formatToParts(new Date(time)).find(({ type }) => type === 'timeZoneName')?.value ?? '';

/** The same with its zone. @param {string | null | undefined} time ISO 8601 */
export const formatTime = (time) => (time ? `${formatMoment(time)} ${zoneOf(time)}` : NONE);

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
