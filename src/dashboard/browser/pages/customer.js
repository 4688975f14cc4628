import { formatAmount, formatShare } from '/format.js';
import { html } from '/html.js';
import { linkColumn, numberColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { DetectionsNow } from '/parts/detections-now.js';
import { Explanation } from '/parts/explanation.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').CustomerAtMerchant} CustomerAtMerchant */

const columns = [
  linkColumn('merchant_id', 'Merchant', 'merchant'),
  numberColumn('transaction_count', 'Transactions'),
  numberColumn('count_percent_rank', 'More than', formatShare),
  numberColumn('total_amount', 'Amount', formatAmount),
  numberColumn('average_amount', 'Average', formatAmount),
  numberColumn('average_weight', 'Weight', formatAmount),
  numberColumn('weight_percent_rank', 'Heavier than', formatShare),
  textColumn('gender', 'Gender'),
];

/** @param {{ id: string, live: import('/event-source.js').LiveData }} props */
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
        <${DetectionsNow}
          detections=${detections}
          patternIds=${patterns.map(({ pattern_id }) => pattern_id)}
          label="Detections of this customer"
          empty="Nothing has been detected about this customer."
          of=${{ customer: id }}
          version=${live.progress?.chunks_applied}
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
      <${Explanation}
        customer=${id}
        merchants=${merchants.map(({ merchant_id }) => merchant_id)}
        version=${live.progress?.chunks_applied}
      />
    `}
  <//>`;
}
