import { NONE, formatAmount, formatCount, formatPlainShare, formatShare } from '/format.js';
import { html } from '/html.js';
import { linkColumn, numberColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';

/** PatId1's part of the pages; ../../README.md says when each function is called. */

/** @typedef {import('../../patterns/upgrade.js').NearMerchant} NearMerchant */
/** @typedef {import('../../patterns/upgrade.js').UpgradeAtMerchant} UpgradeAtMerchant */
/** @typedef {{ pattern: import('../../payloads.js').Pattern, data: UpgradeAtMerchant }} AtMerchant */

/** @param {NearMerchant} near */
const distance = ({ share_reached, transactions_to_go }) => html`
  <progress max="1" value=${share_reached} aria-hidden="true"></progress>
  ${formatCount(transactions_to_go)}
`;

const nearColumns = [
  linkColumn('merchant_id', 'Merchant', 'merchant'),
  numberColumn('transaction_count', 'Transactions'),
  { ...numberColumn('transactions_to_go', 'To go'), cell: distance },
  numberColumn('chunks_to_go', 'Chunks at this pace'),
];

/** @param {{ pattern: import('../../payloads.js').Pattern, data: NearMerchant[] }} props */
export function MerchantsCard({ pattern, data }) {
  return html`<section class="card">
    <div class="card-head"><h2>Next to pass the threshold</h2></div>
    <p class="note">
      Upgrades begin above ${formatCount(pattern.thresholds.merchant_transactions_above)} transactions.
    </p>
    <${DataTable}
      caption="Merchants that are next to pass the threshold"
      hasHiddenCaption
      columns=${nearColumns}
      rows=${data}
      keyOf=${(/** @type {NearMerchant} */ row) => row.merchant_id}
      empty="No merchant is below it."
    />
  </section>`;
}

/** @param {AtMerchant} props @returns {[string, any][]} */
export function merchantFacts({ pattern, data: { near } }) {
  return [
    [
      `To pass ${formatCount(pattern.thresholds.merchant_transactions_above)}`,
      near === null ? html`<span class="passed">passed</span>` : distance(near),
    ],
  ];
}

/** @param {AtMerchant} props @returns {import('/parts/counts-chart.js').Mark[]} */
export function countMarks({ data: { top } }) {
  if (top === null) return [];
  const share = formatPlainShare(1 - top.count_percent_rank_from);
  const text =
    top.top_count === null
      ? `No customer is in the top ${share}: too many have the same number of transactions.`
      : `The top ${share} begin at ${formatCount(top.top_count)}: ${formatCount(top.top_customer_count)} customers.`;
  return [{ count: top.top_count, text }];
}

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

/** @param {AtMerchant} props */
export function MerchantCard({ pattern, data: { lowWeights, lowWeightCount } }) {
  return html`<section class="card">
    <div class="card-head">
      <h2>Lowest ${formatPlainShare(pattern.thresholds.weight_percent_rank_up_to)} of weights</h2>
    </div>
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
      keyOf=${(/** @type {UpgradeAtMerchant['lowWeights'][number]} */ row) => row.customer_id}
      empty="The importance file lists no customer for this merchant."
    />
  </section>`;
}
