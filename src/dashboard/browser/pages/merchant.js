import { formatAmount, formatCount } from '/format.js';
import { html } from '/html.js';
import { partsOf } from '/pattern-parts.js';
import { CountsChart } from '/parts/counts-chart.js';
import { DetectionsNow } from '/parts/detections-now.js';
import { Facts } from '/parts/facts.js';
import { Loaded } from '/parts/loaded.js';

/** Only scrolls: the part of the address behind # names a page. @param {Event} event */
function showDetections(event) {
  event.preventDefault();
  document.getElementById('detections')?.scrollIntoView();
}

/** @param {{ id: string, live: import('/event-source.js').LiveData }} props */
export function MerchantPage({ id, live }) {
  const patterns = live.patterns ?? [];
  return html`<${Loaded}
    url=${`/api/merchant?${new URLSearchParams({ id })}`}
    version=${live.progress?.chunks_applied}
    missing="The stream has no such merchant so far."
  >
    ${(
      /** @type {import('../../payloads.js').MerchantPage} */ { merchant, counts, detections, parts: data },
    ) => {
      const parts = partsOf(patterns, data);
      return html`
        <${Facts}
          facts=${[
            ['Transactions', formatCount(merchant.transaction_count)],
            ['Customers', formatCount(merchant.customer_count)],
            ['Women', formatCount(merchant.female_count)],
            ['Men', formatCount(merchant.male_count)],
            ['Average amount', formatAmount(merchant.average_amount)],
            ...parts.flatMap(({ module, props }) => module.merchantFacts?.(props) ?? []),
            [
              'Detections',
              html`<a href="#detections" onClick=${showDetections}
                >${formatCount(merchant.detection_count)}</a
              >`,
            ],
          ]}
        />
        <section class="card" id="detections">
          <div class="card-head"><h2>Detections</h2></div>
          <${DetectionsNow}
            detections=${detections}
            patternIds=${patterns.map(({ pattern_id }) => pattern_id)}
            label="Detections at this merchant"
            empty="Nothing has been detected here."
            of=${{ merchant: id }}
            version=${live.progress?.chunks_applied}
          />
        </section>
        <${CountsChart}
          counts=${counts}
          marks=${parts.flatMap(({ module, props }) => module.countMarks?.(props) ?? [])}
        />
        ${parts.map(({ module, props }) => (module.MerchantCard ? html`<${module.MerchantCard} ...${props} />` : null))}
      `;
    }}
  <//>`;
}
