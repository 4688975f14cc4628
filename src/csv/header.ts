import { isUtf8 } from 'node:buffer';
import { ContentError, messageOf } from '../errors.js';
import { fieldsOf, lenientFieldsOf } from './fields.js';
import { formatOf } from './formats.js';

/** The names of the columns that BankPulse needs. An importance file has no gender; its weight counts as the amount. */
export interface NeededColumns {
  customer: string;
  gender?: string;
  merchant: string;
  amount: string;
}

export const transactionColumns: NeededColumns = {
  customer: 'customer',
  gender: 'gender',
  merchant: 'merchant',
  amount: 'amount',
};

export const importanceColumns: NeededColumns = { customer: 'source', merchant: 'target', amount: 'weight' };

/** The positions of the needed columns in a row, from 0. */
export interface ColumnPositions {
  customer: number;
  /** -1: the file has no such column. */
  gender: number;
  merchant: number;
  amount: number;
  /** The number of fields in every row. */
  fieldCount: number;
}

const WHITE_SPACE = ' \t\n\v\f\r';

/** As `bankpulse.clean_value`, for a name in the header: removes white space around it, then one pair of quotes. */
function cleanName(field: string): string {
  let start = 0;
  let end = field.length;
  while (start < end && WHITE_SPACE.includes(field.charAt(start))) start++;
  while (end > start && WHITE_SPACE.includes(field.charAt(end - 1))) end--;
  const isQuoted = end - start >= 2 && field.charAt(start) === "'" && field.charAt(end - 1) === "'";
  return isQuoted ? field.slice(start + 1, end - 1) : field.slice(start, end);
}

/**
 * Finds the needed columns in a header, by name, in any order and case.
 * @throws ContentError naming the columns that are missing or repeated.
 */
export function locateColumns(header: readonly string[], needed: NeededColumns): ColumnPositions {
  const names = header.map((field) => cleanName(field).toLowerCase());
  const faults: { name: string; isMissing: boolean }[] = [];
  const positionOf = (name: string): number => {
    const position = names.indexOf(name);
    if (position === -1) faults.push({ name, isMissing: true });
    else if (names.indexOf(name, position + 1) !== -1) faults.push({ name, isMissing: false });
    return position;
  };
  const positions = {
    customer: positionOf(needed.customer),
    gender: needed.gender === undefined ? -1 : positionOf(needed.gender),
    merchant: positionOf(needed.merchant),
    amount: positionOf(needed.amount),
    fieldCount: names.length,
  };
  if (faults.length > 0) {
    // an editor shows a header with NUL bytes as if it were right
    const hasNul = names.some((name) => name.includes('\0'));
    throw new ContentError('headerColumns', faults, hasNul);
  }
  return positions;
}

/** Delimiters that files are written with instead of commas. */
const OTHER_DELIMITERS = [';', '\t', '|', ':', '^', '~', ' ', '\x01'];

/** How many of the needed columns the header has if it is cut at `delimiter`. */
function columnsBy(delimiter: string, header: string, needed: NeededColumns): number {
  const fields = header.split(delimiter).map((field) => field.trim().replace(/^"(.*)"$/s, '$1'));
  const names = new Set(fields.map((field) => cleanName(field).toLowerCase()));
  return Object.values(needed).filter((name: string) => names.has(name)).length;
}

/** Why the line that was taken for the header lacks columns, if it looks like something else. */
function explainMissing(header: string, needed: NeededColumns): ContentError | undefined {
  const separator = /^"?sep=(.)/i.exec(header)?.[1];
  if (separator !== undefined) return new ContentError('headerIsSeparator', separator);
  if (/^["']?#/.test(header)) return new ContentError('headerIsComment');
  if (/^[\s,"']*$/.test(header)) return new ContentError('headerIsBlank');
  const byCommas = columnsBy(',', header, needed);
  const delimiter = OTHER_DELIMITERS.find(
    (each) => columnsBy(each, header, needed) >= Math.max(2, byCommas + 1),
  );
  return delimiter === undefined ? undefined : new ContentError('headerDelimiter', delimiter);
}

/**
 * As `locateColumns`, from the header's bytes. The double quotes of a column that is not needed may break the rules.
 * @throws ContentError also if the bytes are not a CSV header.
 */
export function readHeader(header: Buffer, needed: NeededColumns): ColumnPositions {
  if (!isUtf8(header)) throw formatFault(header) ?? new ContentError('headerNotUtf8');
  const text = header.toString();
  const fields = lenientFieldsOf(text);
  // A file whose line ends are CR would be one long header without rows.
  if (fields.some((field) => /\r(?!\n|$)/.test(field))) {
    throw new ContentError('headerLineEnds');
  }
  try {
    return locateColumns(fields, needed);
  } catch (error) {
    throw formatFault(header) ?? explainMissing(text, needed) ?? quotesFault(text) ?? error;
  }
}

function formatFault(header: Buffer): ContentError | undefined {
  const format = formatOf(header);
  return format === undefined ? undefined : new ContentError('otherFormat', format);
}

/** What is wrong with the header's double quotes; undefined if nothing is. */
function quotesFault(header: string): ContentError | undefined {
  try {
    fieldsOf(header);
    return undefined;
  } catch (error) {
    return new ContentError('headerQuotes', messageOf(error));
  }
}
