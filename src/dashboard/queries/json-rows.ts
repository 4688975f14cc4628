import type { RawBuilder } from 'kysely';
import { sql } from '../../database/kysely.js';

/**
 * Each row of a view as one JSON object, made by PostgreSQL: keys in the order of the columns, numbers as numbers, times in
 * ISO 8601. `shown` is a subquery of that name, which gives some columns of a table.
 */
export function jsonRow<Row>(view: string): RawBuilder<Row> {
  return sql<Row>`row_to_json(${sql.ref(view)})`;
}
