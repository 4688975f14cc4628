import type { RawBuilder } from 'kysely';
import { sql } from '../../database/kysely.js';
import type { DashboardViews } from '../dashboard-views.js';

/** Each row of a view as one JSON object, made by PostgreSQL: numbers are numbers, times ISO 8601. */
export function jsonRow<Row>(view: keyof DashboardViews): RawBuilder<Row> {
  return sql<Row>`to_jsonb(${sql.ref(view)})`;
}
