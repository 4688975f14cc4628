const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const share = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 4 });

/**
 * @param {string | undefined} zone
 * @param {Intl.DateTimeFormatOptions} options
 */
const timeFormat = (zone, options) =>
  new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZone: zone,
    ...options,
  });
/** @param {string | undefined} zone */
const timeFormats = (zone) => ({
  clock: timeFormat(zone, {}),
  day: timeFormat(zone, { day: 'numeric', month: 'short' }),
  dayOfYear: timeFormat(zone, { day: 'numeric', month: 'short', year: 'numeric' }),
  date: new Intl.DateTimeFormat('en-CA', { timeZone: zone }),
  zoneName: timeFormat(zone, { timeZoneName: 'short' }),
});
/** @type {string | undefined} the reader's own, unless TIME_ZONE is set */
let zone;
let times = timeFormats(zone);

/** @param {string | null | undefined} name an IANA name */
export function setTimeZone(name) {
  if ((name ?? undefined) === zone) return;
  zone = name ?? undefined;
  try {
    times = timeFormats(zone);
  } catch {
    times = timeFormats(undefined); // a browser that is older than the name of the zone
  }
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

/** Such as 2026-11-29. @param {Date} date */
const dateOf = (date) => times.date.format(date);

/**
 * The time of day, with the date unless it is today, and the year unless it is this one: for marks of a chart, where the zone stands beside.
 * @param {string | null | undefined} time ISO 8601
 */
export function formatMoment(time) {
  if (!time) return NONE;
  const date = new Date(time);
  const [shown, today] = [dateOf(date), dateOf(new Date())];
  if (shown === today) return times.clock.format(date);
  return (shown.slice(0, 4) === today.slice(0, 4) ? times.day : times.dayOfYear).format(date);
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
