/** What the reader copies to psql or a shell. Names may hold any character, so all of them are quoted. */

/** @typedef {Record<string, number>} Thresholds */

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** @param {string} text */
const shellWord = (text) => (/^[\w.+=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);

/** @param {string} pattern @param {Thresholds} changed */
export const updateStatement = (pattern, changed) =>
  `update bankpulse.patterns set thresholds = thresholds || ${quoted(JSON.stringify(changed))} where pattern_id = ${quoted(pattern)};`;

/** @param {string} pattern @param {Thresholds} changed */
export const whatIfStatement = (pattern, changed) =>
  `select * from bankpulse.what_if(${quoted(pattern)}, ${quoted(JSON.stringify(changed))});`;

/** @param {string} pattern */
export const nearStatement = (pattern) =>
  `select * from bankpulse.near_matches where pattern_id = ${quoted(pattern)};`;

/** @param {string} merchant @param {string} customer */
export const explainStatement = (merchant, customer) =>
  `select * from bankpulse.explain_pair(${quoted(merchant)}, ${quoted(customer)});`;

/** @param {string} pattern @param {Thresholds} changed */
export const backtestCommand = (pattern, changed) =>
  [
    'npm run backtest --',
    shellWord(pattern),
    ...Object.entries(changed).map(([name, value]) => shellWord(`${name}=${value}`)),
  ].join(' ');
