import type { Kysely } from 'kysely';
import { sql } from '../../database/kysely.js';
import type { DashboardViews, Whole } from '../dashboard-views.js';
import type { PatternPart } from '../pattern-parts.js';
import { jsonRow } from '../queries/json-rows.js';

/** PatId1's part of the dashboard; its views are in sql/04_patterns/upgrade.sql. */

const SHOWN_NEAR = 5;
const SHOWN_WEIGHTS = 100;

// a type, because Kysely takes no interface here
type UpgradeViews = {
  merchants_near_threshold: { merchant_id: string; transactions_to_go: Whole };
  merchant_tops: { merchant_id: string };
  dashboard_low_weights: { merchant_id: string; customer_id: string; transaction_count: Whole };
};

export interface NearMerchant {
  merchant_id: string;
  transaction_count: number;
  transactions_to_go: number;
  share_reached: number | null;
  chunks_to_go: number | null;
}

export interface MerchantTop {
  count_percent_rank_from: number;
  top_count: number | null;
  top_customer_count: number;
}

export interface LowWeight {
  customer_id: string;
  average_weight: number;
  weight_percent_rank: number;
  transaction_count: number;
  is_in_top_share: boolean;
  detected_in_chunk: number | null;
}

export interface UpgradeAtMerchant {
  /** Null if the merchant has passed the threshold. */
  near: NearMerchant | null;
  /** Null if it has not, so far. */
  top: MerchantTop | null;
  lowWeights: LowWeight[];
  lowWeightCount: number;
}

function nearMerchants(views: Kysely<DashboardViews>) {
  return views
    .withTables<UpgradeViews>()
    .selectFrom('merchants_near_threshold')
    .select(jsonRow<NearMerchant>('merchants_near_threshold').as('row'));
}

async function readMerchants(views: Kysely<DashboardViews>): Promise<NearMerchant[]> {
  const rows = await nearMerchants(views)
    .orderBy('transactions_to_go')
    .orderBy('merchant_id')
    .limit(SHOWN_NEAR)
    .execute();
  return rows.map(({ row }) => row);
}

async function readMerchant(views: Kysely<DashboardViews>, merchantId: string): Promise<UpgradeAtMerchant> {
  const near = await nearMerchants(views).where('merchant_id', '=', merchantId).executeTakeFirst();
  const top = await views
    .withTables<UpgradeViews>()
    .selectFrom('merchant_tops')
    .select(jsonRow<MerchantTop>('merchant_tops').as('row'))
    .where('merchant_id', '=', merchantId)
    .executeTakeFirst();
  const lowWeights = await views
    .withTables<UpgradeViews>()
    .selectFrom('dashboard_low_weights')
    .select([
      jsonRow<LowWeight>('dashboard_low_weights').as('row'),
      sql<number>`(count(*) over ())::int`.as('count'),
    ])
    .where('merchant_id', '=', merchantId)
    .orderBy('transaction_count', 'desc')
    .orderBy('customer_id')
    .limit(SHOWN_WEIGHTS)
    .execute();
  return {
    near: near?.row ?? null,
    top: top?.row ?? null,
    lowWeights: lowWeights.map(({ row }) => row),
    lowWeightCount: lowWeights[0]?.count ?? 0,
  };
}

export const part: PatternPart = { readMerchants, readMerchant };
