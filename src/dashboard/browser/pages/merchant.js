import { NONE, formatAmount, formatCount, formatPlainShare, formatShare } from '/format.js';
import { html } from '/html.js';
import { linkColumn, numberColumn, textColumn } from '/parts/columns.js';
import { CountsChart } from '/parts/counts-chart.js';
import { DataTable } from '/parts/data-table.js';
import { DetectionList } from '/parts/detection-list.js';
import { Distance } from '/parts/distance.js';
import { Facts } from '/parts/facts.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').LowWeight} LowWeight */

const weightColumns = [
  linkColumn('customer_id', 'Customer', 'customer'),
  numberColumn('average_weight', 'Weight', formatAmount),
  numberColumn('weight_percent_rank', 'Lower weights', formatShare),
  numberColumn('transaction_count', 'Transactions'),
  textColumn('is_in_top_share', 'Among the top', (isIn) => (isIn ? 'yes' : NONE)),
  textColumn('detected_in_chunk', 'Upgrade found', (chunk) =>
    chunk === null ? NONE : `chunk ${formatCount(chunk)}`,
  ),
];

/** @param {{ id: string, live: import('/event-source.js').LiveData }} props */
export function MerchantPage({ id, live }) {
  const patterns = live.patterns ?? [];
  const lowest =
    patterns.find(({ pattern_id }) => pattern_id === 'PatId1')?.thresholds.weight_percent_rank_up_to ?? 0.1;
  return html`<${Loaded}
    url=${`/api/merchant?${new URLSearchParams({ id })}`}
    version=${live.progress?.chunks_applied}
    missing="The stream has no such merchant so far."
  >
    ${(
      /** @type {import('../../payloads.js').MerchantPage} */ {
        merchant,
        counts,
        top,
        lowWeights,
        lowWeightCount,
        detections,
      },
    ) => html`
      <${Facts}
        facts=${[
          ['Transactions', formatCount(merchant.transaction_count)],
          ['Customers', formatCount(merchant.customer_count)],
          ['Women', formatCount(merchant.female_count)],
          ['Men', formatCount(merchant.male_count)],
          ['Average amount', formatAmount(merchant.average_amount)],
          [
            merchant.merchant_transactions_above === null
              ? 'To threshold'
              : `To pass ${formatCount(merchant.merchant_transactions_above)}`,
            html`<${Distance} merchant=${merchant} />`,
          ],
          ['Detections', formatCount(merchant.detection_count)],
        ]}
      />
      <${CountsChart} counts=${counts} top=${top} />
      <section class="card">
        <div class="card-head"><h2>Lowest ${formatPlainShare(lowest)} of weights</h2></div>
        <p class="note">
          ${
            lowWeightCount > lowWeights.length
              ? `${formatCount(lowWeightCount)} customers; the ${formatCount(lowWeights.length)} with the most transactions are shown.`
              : 'Customers with the most transactions come first.'
          }
        </p>
        <${DataTable}
          caption="Customers with the lowest weights for this merchant"
          hasHiddenCaption
          columns=${weightColumns}
          rows=${lowWeights}
          keyOf=${(/** @type {LowWeight} */ row) => row.customer_id}
          empty="The importance file lists no customer for this merchant."
        />
      </section>
      <section class="card">
        <div class="card-head"><h2>Detections</h2></div>
        <${DetectionList}
          detections=${detections}
          patternIds=${patterns.map(({ pattern_id }) => pattern_id)}
          label="Detections at this merchant"
          empty="Nothing has been detected here."
        />
      </section>
    `}
  <//>`;
}
