import { NONE, formatAmount, formatCount, formatPlainShare, formatShare } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';
import { CountsChart } from '/parts/counts-chart.js';
import { DataTable } from '/parts/data-table.js';
import { DetectionList } from '/parts/detection-list.js';
import { Distance } from '/parts/distance.js';
import { Facts } from '/parts/facts.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').LowWeight} LowWeight */

const weightColumns = [
  {
    key: 'customer_id',
    label: 'Customer',
    cell: (/** @type {LowWeight} */ { customer_id }) =>
      html`<a href=${linkTo('customer', customer_id)}>${customer_id}</a>`,
  },
  {
    key: 'average_weight',
    label: 'Weight',
    isNumber: true,
    cell: (/** @type {LowWeight} */ { average_weight }) => formatAmount(average_weight),
  },
  {
    key: 'weight_percent_rank',
    label: 'Lower weights',
    isNumber: true,
    cell: (/** @type {LowWeight} */ { weight_percent_rank }) => formatShare(weight_percent_rank),
  },
  {
    key: 'transaction_count',
    label: 'Transactions',
    isNumber: true,
    cell: (/** @type {LowWeight} */ { transaction_count }) => formatCount(transaction_count),
  },
  {
    key: 'is_in_top_share',
    label: 'Among the top',
    cell: (/** @type {LowWeight} */ { is_in_top_share }) => (is_in_top_share ? 'yes' : NONE),
  },
  {
    key: 'detected_in_chunk',
    label: 'Upgrade found',
    cell: (/** @type {LowWeight} */ { detected_in_chunk }) =>
      detected_in_chunk === null ? NONE : `chunk ${formatCount(detected_in_chunk)}`,
  },
];

/** @param {{ id: string, live: import('/live.js').LiveData }} props */
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
              ? `${formatCount(lowWeightCount)} customers; the ${formatCount(lowWeights.length)} who come most are shown.`
              : 'Those who come most stand first.'
          }
        </p>
        <${DataTable}
          caption="Customers with the lowest weights for this merchant"
          hasHiddenCaption
          columns=${weightColumns}
          rows=${lowWeights}
          keyOf=${(/** @type {LowWeight} */ row) => row.customer_id}
          empty="The importance file lists nobody for this merchant."
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
