import type { Kysely } from 'kysely';
import { hasSqlState } from '../../errors.js';
import { sql } from '../../database/kysely.js';
import type { CountBar, Merchant, MerchantList, MerchantPage } from '../payloads.js';
import type { DashboardViews } from '../dashboard-views.js';
import { readParts, type PatternParts } from '../pattern-parts.js';
import { jsonRow } from './json-rows.js';
import { SHOWN_DETECTIONS, readDetections } from './overview.js';

const SHOWN_MERCHANTS = 200;

export const merchantColumns = [
  'merchant_id',
  'transaction_count',
  'customer_count',
  'female_count',
  'male_count',
  'average_amount',
  'detection_count',
] as const;
export type MerchantColumn = (typeof merchantColumns)[number];

export interface MerchantQuery {
  /** A part of the name; upper and lower case are alike. */
  search: string;
  sort: MerchantColumn;
  order: 'asc' | 'desc';
}

/**
 * The first merchants in this order. Amounts need the whole state: where that takes longer than a statement may, the
 * merchants come without them, and by their transactions if it was amounts to sort by.
 */
export async function readMerchants(
  views: Kysely<DashboardViews>,
  query: MerchantQuery,
): Promise<MerchantList> {
  const merchants = await readWithAmounts(views, query).catch((error: unknown) => {
    if (!hasSqlState(error, 'queryCanceled')) throw error;
    return readWithoutAmounts(views, query);
  });
  const { count } = await matching(views, query.search)
    .select(sql<number>`count(*)::int`.as('count'))
    .executeTakeFirstOrThrow();
  return { merchants, count };
}

const nameContains = (search: string) =>
  sql<boolean>`strpos(lower(dashboard_merchants.merchant_id), lower(${search})) > 0`;

function matching(views: Kysely<DashboardViews>, search: string) {
  return views
    .selectFrom('dashboard_merchants')
    .$if(search !== '', (query) => query.where(nameContains(search)));
}

function withAmounts(views: Kysely<DashboardViews>) {
  return views
    .selectFrom('dashboard_merchants')
    .leftJoin(
      'dashboard_merchant_amounts',
      'dashboard_merchant_amounts.merchant_id',
      'dashboard_merchants.merchant_id',
    )
    .select([
      jsonRow<Omit<Merchant, 'average_amount'>>('dashboard_merchants').as('row'),
      sql<number | null>`to_jsonb(average_amount)`.as('average_amount'),
    ]);
}

async function readWithAmounts(
  views: Kysely<DashboardViews>,
  { search, sort, order }: MerchantQuery,
): Promise<Merchant[]> {
  const rows = await withAmounts(views)
    .$if(search !== '', (query) => query.where(nameContains(search)))
    .orderBy(sort === 'average_amount' ? sort : `dashboard_merchants.${sort}`, order)
    .orderBy('dashboard_merchants.merchant_id')
    .limit(SHOWN_MERCHANTS)
    .execute();
  return rows.map(({ row, average_amount }) => ({ ...row, average_amount }));
}

async function readWithoutAmounts(
  views: Kysely<DashboardViews>,
  { search, sort, order }: MerchantQuery,
): Promise<Merchant[]> {
  const rows = await matching(views, search)
    .select(jsonRow<Omit<Merchant, 'average_amount'>>('dashboard_merchants').as('row'))
    .orderBy(sort === 'average_amount' ? 'transaction_count' : sort, order)
    .orderBy('merchant_id')
    .limit(SHOWN_MERCHANTS)
    .execute();
  return rows.map(({ row }) => ({ ...row, average_amount: null }));
}

/** All about one merchant; undefined if it is not in the stream. */
export async function readMerchant(
  views: Kysely<DashboardViews>,
  merchantId: string,
  parts: PatternParts,
): Promise<MerchantPage | undefined> {
  const merchant = await withAmounts(views)
    .where('dashboard_merchants.merchant_id', '=', merchantId)
    .executeTakeFirst();
  if (!merchant) return undefined;
  const counts = await views
    .selectFrom('dashboard_merchant_counts')
    .select(jsonRow<CountBar>('dashboard_merchant_counts').as('row'))
    .where('merchant_id', '=', merchantId)
    .orderBy('from_count')
    .execute();
  return {
    merchant: { ...merchant.row, average_amount: merchant.average_amount },
    counts: counts.map(({ row }) => row),
    detections: await readDetections(views, { merchant: merchantId, limit: SHOWN_DETECTIONS }),
    parts: await readParts(parts, (part) => part.readMerchant?.(views, merchantId)),
  };
}
