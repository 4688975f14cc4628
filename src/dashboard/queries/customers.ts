import type { Kysely } from 'kysely';
import type { CustomerAtMerchant, CustomerPage } from '../payloads.js';
import type { DashboardViews } from '../dashboard-views.js';
import { jsonRow } from './json-rows.js';
import { SHOWN_DETECTIONS, readDetections } from './overview.js';

const SHOWN = 200;

/** A customer at each merchant, where they go most first; undefined if the stream has no such customer. */
export async function readCustomer(
  views: Kysely<DashboardViews>,
  customerId: string,
): Promise<CustomerPage | undefined> {
  const merchants = await views
    .selectFrom('dashboard_customers')
    .select(jsonRow<CustomerAtMerchant>('dashboard_customers').as('row'))
    .where('customer_id', '=', customerId)
    .orderBy('transaction_count', 'desc')
    .orderBy('merchant_id')
    .limit(SHOWN)
    .execute();
  if (merchants.length === 0) return undefined;
  return {
    merchants: merchants.map(({ row }) => row),
    detections: await readDetections(views, { customer: customerId, limit: SHOWN_DETECTIONS }),
  };
}
