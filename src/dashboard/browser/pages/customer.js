import { formatAmount, formatCount, formatShare } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';
import { DataTable } from '/parts/data-table.js';
import { DetectionList } from '/parts/detection-list.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').CustomerAtMerchant} CustomerAtMerchant */

const number = (
  /** @type {string} */ key,
  /** @type {string} */ label,
  /** @type {(value: any) => string} */ format,
) => ({
  key,
  label,
  isNumber: true,
  cell: (/** @type {any} */ row) => format(row[key]),
});

const columns = [
  {
    key: 'merchant_id',
    label: 'Merchant',
    cell: (/** @type {CustomerAtMerchant} */ { merchant_id }) =>
      html`<a href=${linkTo('merchant', merchant_id)}>${merchant_id}</a>`,
  },
  number('transaction_count', 'Transactions', formatCount),
  number('count_percent_rank', 'More than', formatShare),
  number('total_amount', 'Amount', formatAmount),
  number('average_amount', 'Average', formatAmount),
  number('average_weight', 'Weight', formatAmount),
  number('weight_percent_rank', 'Heavier than', formatShare),
  { key: 'gender', label: 'Gender', cell: (/** @type {CustomerAtMerchant} */ { gender }) => gender },
];

/** @param {{ id: string, live: import('/live.js').LiveData }} props */
export function CustomerPage({ id, live }) {
  const patterns = live.patterns ?? [];
  return html`<${Loaded}
    url=${`/api/customer?${new URLSearchParams({ id })}`}
    version=${live.progress?.chunks_applied}
    missing="The stream has no such customer so far."
  >
    ${(/** @type {import('../../payloads.js').CustomerPage} */ { merchants, detections }) => html`
      <section class="card">
        <div class="card-head"><h2>Detections</h2></div>
        <${DetectionList}
          detections=${detections}
          patternIds=${patterns.map(({ pattern_id }) => pattern_id)}
          label="Detections of this customer"
          empty="Nothing has been detected about this customer."
        />
      </section>
      <section class="card">
        <div class="card-head"><h2>At merchants</h2></div>
        <p class="note">
          “More than” and “heavier than”: the share of the merchant's other customers with fewer transactions,
          and with a lower weight.
        </p>
        <${DataTable}
          caption="This customer at merchants"
          hasHiddenCaption
          columns=${columns}
          rows=${merchants}
          keyOf=${(/** @type {CustomerAtMerchant} */ row) => row.merchant_id}
          empty="Nothing yet."
        />
      </section>
    `}
  <//>`;
}
