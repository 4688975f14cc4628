import { isUtf8 } from 'node:buffer';
import { ContentError } from '../errors.js';
import { fieldsOf } from './fields.js';

/** The four things BankPulse needs of a row; an importance file has no gender, and its weight is the amount. */
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

/** Where they stand in the fields of a row, from 0. */
export interface ColumnPositions {
  customer: number;
  /** -1: the file has none. */
  gender: number;
  merchant: number;
  amount: number;
  /** How many fields every row has. */
  fieldCount: number;
}

/** As `bankpulse.clean_value`, for a name in the header: without white space around it, then one pair of quotes. */
function cleanName(field: string): string {
  const trimmed = field.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '');
  return trimmed.length >= 2 && trimmed.startsWith("'") && trimmed.endsWith("'")
    ? trimmed.slice(1, -1)
    : trimmed;
}

/**
 * Finds the needed columns in a header, by name, in any order and case.
 * @throws ContentError naming the columns that are missing or repeated.
 */
export function locateColumns(header: readonly string[], needed: NeededColumns): ColumnPositions {
  const names = header.map((field) => cleanName(field).toLowerCase());
  const faults: string[] = [];
  const positionOf = (name: string): number => {
    const position = names.indexOf(name);
    if (position === -1) faults.push(`no column "${name}"`);
    else if (names.indexOf(name, position + 1) !== -1) faults.push(`column "${name}" twice`);
    return position;
  };
  const positions = {
    customer: positionOf(needed.customer),
    gender: needed.gender === undefined ? -1 : positionOf(needed.gender),
    merchant: positionOf(needed.merchant),
    amount: positionOf(needed.amount),
    fieldCount: names.length,
  };
  if (faults.length > 0) throw new ContentError(`the header has ${faults.join(', ')}`);
  return positions;
}

/**
 * As `locateColumns`, from the header's bytes.
 * @throws ContentError also if they are no header at all.
 */
export function readHeader(header: Buffer, needed: NeededColumns): ColumnPositions {
  if (!isUtf8(header)) throw new ContentError('the header is not UTF-8');
  let fields: string[];
  try {
    fields = fieldsOf(header.toString());
  } catch {
    throw new ContentError('a double quote stands inside a name of the header');
  }
  return locateColumns(fields, needed);
}
