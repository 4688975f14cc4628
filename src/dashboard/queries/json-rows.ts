import type { RawBuilder } from 'kysely';
import { sql } from '../../database/kysely.js';

/**
 * Each row of a view as one JSON object, made by PostgreSQL: keys in the order of the columns, numbers as numbers, times in
 * ISO 8601. `shown` is a subquery of that name, which gives some columns of a table. The columns are named once more, since
 * Citus lets its workers make the rows, and they do not know the row type of a view.
 */
export function jsonRow<Row>(view: string): RawBuilder<Row> {
  return sql<Row>`(select row_to_json(listed) from (select ${sql.ref(view)}.*) as listed)`;
}
