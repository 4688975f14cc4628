import { CsvError, parse } from 'csv-parse/sync';
import { ContentError } from '../errors.js';

const RAW_FIELD = /("(?:[^"]|"")*"[^,]*|[^,]*)(,|$)/y;

/** The fields of one CSV record as they stand there: a comma inside quotes belongs to its field, whatever follows them. */
function rawFieldsOf(record: string): string[] {
  const fields: string[] = [];
  RAW_FIELD.lastIndex = 0;
  for (let isLast = false; !isLast;) {
    const [, field = '', end] = RAW_FIELD.exec(record) ?? [];
    fields.push(field);
    isLast = end !== ',';
  }
  return fields;
}

/** As `fieldsOf`, but a field whose double quotes break the rules stands there with all its quotes. */
export function lenientFieldsOf(record: string): string[] {
  const fieldsOr = (text: string, otherwise: () => string[]) => {
    try {
      return fieldsOf(text);
    } catch (error) {
      if (error instanceof ContentError) return otherwise();
      throw error;
    }
  };
  return fieldsOr(record, () => rawFieldsOf(record).flatMap((field) => fieldsOr(field, () => [field])));
}

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
