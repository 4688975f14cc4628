import type { Kysely } from 'kysely';
import { hasSqlState } from '../../errors.js';
import { sql } from '../../database/kysely.js';
import type { Condition, DetectionNow, NearMatches, TooSlow, WhatIf, WhatIfRow } from '../payloads.js';
import type { DashboardViews } from '../dashboard-views.js';
import { jsonRow } from './json-rows.js';
import { SHOWN_DETECTIONS } from './overview.js';

/** Queries of the match functions: each reads the whole state. */

const SHOWN_NEAR = 10;
/** Of each kind of change. */
const SHOWN_CHANGES = 10;

/** An answer that comes too late is an answer, too: it is cached, so that the query is not tried again at once. */
function orTooSlow<Answer>(asked: Promise<Answer>): Promise<Answer | TooSlow> {
  return asked.catch((error: unknown) => {
    if (!hasSqlState(error, 'queryCanceled')) throw error;
    return { isTooSlow: true };
  });
}

/** What is near to a detection by an enabled pattern. */
export function readNearMatches(
  views: Kysely<DashboardViews>,
  pattern: string,
): Promise<NearMatches | TooSlow> {
  const asked = views
    .selectFrom('near_matches')
    .select(['merchant_id', 'customer_id', 'missing_text', sql<number>`(count(*) over ())::int`.as('count')])
    .where('pattern_id', '=', pattern)
    .orderBy('merchant_id')
    .orderBy('customer_id')
    .limit(SHOWN_NEAR)
    .execute();
  return orTooSlow(asked.then((first) => ({ count: first[0]?.count ?? 0, first })));
}

/**
 * What other thresholds of a pattern would change now.
 * @param thresholds JSON, an object of numbers
 * @throws SQLSTATE BP007 if there is no such pattern or threshold, or a value is no number; class 22 if it is no JSON
 */
export function readWhatIf(
  views: Kysely<DashboardViews>,
  pattern: string,
  thresholds: string,
): Promise<WhatIf | TooSlow> {
  const asked = sql<{ row: WhatIfRow & { change_count: number } }>`
    with changes as materialized (
      select
        change,
        (count(*) over (partition by change))::int as change_count,
        row_number() over (partition by change order by merchant_id, customer_id) as place,
        merchant_id,
        customer_id,
        reason
      from bankpulse.what_if(${pattern}, ${thresholds}::jsonb)
    ),
    shown as (
      select
        change,
        change_count,
        merchant_id,
        customer_id,
        bankpulse.reason_text(
          (select reason_template from bankpulse.patterns where pattern_id = ${pattern}),
          merchant_id, customer_id, reason
        ) as reason_text
      from changes
      where place <= case change when 'kept' then 1 else ${SHOWN_CHANGES} end
    )
    select ${jsonRow('shown')} as row from shown order by change, merchant_id, customer_id
  `.execute(views);
  return orTooSlow(
    asked.then(({ rows }) => {
      const countOf = (change: WhatIfRow['change']) =>
        rows.find(({ row }) => row.change === change)?.row.change_count ?? 0;
      return {
        added: countOf('added'),
        removed: countOf('removed'),
        kept: countOf('kept'),
        first: rows.map(({ row }) => row).filter(({ change }) => change !== 'kept'),
      };
    }),
  );
}

/** Of a merchant or of a customer. */
export type DetectionsOf = { merchant: string; customer?: never } | { merchant?: never; customer: string };

/**
 * What holds now of the newest detections at a merchant, or about a customer, as `readDetections` shows them. Those of
 * disabled patterns, which are not judged, are left out.
 */
export function readNow(
  views: Kysely<DashboardViews>,
  { merchant, customer }: DetectionsOf,
): Promise<DetectionNow[] | TooSlow> {
  const whose =
    merchant === undefined
      ? sql`detections.customer_id = ${customer}`
      : sql`detections.merchant_id = ${merchant}`;
  const asked = sql<{ row: DetectionNow }>`
    with shown as materialized (
      select
        detections.detection_id, detections.pattern_id, detections.merchant_id, detections.customer_id,
        patterns.reason_template
      from bankpulse.detections
      inner join bankpulse.patterns on patterns.pattern_id = detections.pattern_id and patterns.is_enabled
      where
        ${whose}
      order by detections.detection_id desc
      limit ${SHOWN_DETECTIONS}
    ),
    -- once, and not for each of the shown
    matches as materialized (
      select * from bankpulse.pattern_matches where pattern_id in (select pattern_id from shown)
    ),
    answers as (
      select
        shown.detection_id,
        case
          when matches.reason is not null
          then bankpulse.reason_text(shown.reason_template, shown.merchant_id, shown.customer_id, matches.reason)
        end as reason_text
      from shown
      left join matches
        on
          matches.pattern_id = shown.pattern_id
          and matches.merchant_id = shown.merchant_id
          and matches.customer_id = shown.customer_id
    )
    select ${jsonRow('answers')} as row from answers
  `.execute(views);
  return orTooSlow(asked.then(({ rows }) => rows.map(({ row }) => row)));
}

/** Each condition of each enabled pattern for a customer of a merchant. */
export function readExplanation(
  views: Kysely<DashboardViews>,
  merchant: string,
  customer: string,
): Promise<Condition[] | TooSlow> {
  const asked = sql<{ row: Condition }>`
    select ${jsonRow('shown')} as row from bankpulse.explain_pair(${merchant}, ${customer}) as shown
  `.execute(views);
  return orTooSlow(asked.then(({ rows }) => rows.map(({ row }) => row)));
}
