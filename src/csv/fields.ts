import { CsvError, parse } from 'csv-parse/sync';
import { ContentError } from '../errors.js';

/**
 * The fields of one CSV record.
 * @throws ContentError if its double quotes break the rules of RFC 4180.
 */
export function fieldsOf(record: string): string[] {
  if (!record.includes('"')) return record.split(',');
  try {
    // a carriage return alone is an ordinary character; line feeds occur only inside quotes here
    return parse(record, { relax_column_count: true, record_delimiter: '\n' })[0] ?? [];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new ContentError(error.code === 'CSV_INVALID_CLOSING_QUOTE' ? 'valueGoesOn' : 'quoteInValue');
  }
}
