import { parse } from 'csv-parse/sync';

/**
 * The fields of one record of RFC 4180.
 * @throws if its quotes are not as that has them.
 */
export function fieldsOf(record: string): string[] {
  if (!record.includes('"')) return record.split(',');
  // a carriage return alone is an ordinary character; line feeds stand only inside quotes here
  return parse(record, { relax_column_count: true, record_delimiter: '\n' })[0] ?? [];
}
