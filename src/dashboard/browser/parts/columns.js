import { NONE, formatCount } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';

/** @typedef {import('/parts/data-table.js').Column} Column */

/**
 * A column of numbers; counts, unless another format is given.
 * @param {string} key
 * @param {string} label
 * @param {(value: any) => string} [format]
 * @returns {Column}
 */
export const numberColumn = (key, label, format = formatCount) => ({
  key,
  label,
  isNumber: true,
  cell: (row) => format(row[key]),
});

/**
 * A column of values, as they are or formatted.
 * @param {string} key
 * @param {string} label
 * @param {(value: any) => any} [format]
 * @returns {Column}
 */
export const textColumn = (key, label, format = (value) => value) => ({
  key,
  label,
  cell: (row) => format(row[key]),
});

/**
 * A column of names that link to their pages.
 * @param {string} key
 * @param {string} label
 * @param {string} page
 * @returns {Column}
 */
export const linkColumn = (key, label, page) =>
  textColumn(key, label, (id) => html`<a href=${linkTo(page, id)}>${id}</a>`);

/** The customer of a row; none for a pattern about the merchant alone. */
export const customerColumn = textColumn('customer_id', 'Customer', (id) =>
  id === '' ? NONE : html`<a href=${linkTo('customer', id)}>${id}</a>`,
);

/**
 * A column of keys or text of files, in the font of code.
 * @param {string} key
 * @param {string} label
 * @param {(value: any) => string} [format]
 * @returns {Column}
 */
export const codeColumn = (key, label, format = (value) => value) =>
  textColumn(key, label, (value) => html`<code>${format(value)}</code>`);
