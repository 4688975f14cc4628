import { formatCount } from '/format.js';
import { html } from '/html.js';
import { nearStatement } from '/commands.js';
import { customerColumn, linkColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';
import { TooSlow } from '/parts/too-slow.js';

/** @typedef {import('../../payloads.js').NearMatches} NearMatches */

const columns = [
  linkColumn('merchant_id', 'Merchant', 'merchant'),
  customerColumn,
  { ...textColumn('missing_text', 'Missing'), isWide: true },
];

/** What is near to a detection. @param {{ pattern: import('../../payloads.js').Pattern, version: unknown }} props */
export function NearMisses({ pattern: { pattern_id, action_type, is_enabled }, version }) {
  return html`<section class="card">
    <div class="card-head"><h3>Near misses</h3></div>
    ${
      is_enabled
        ? html`<${Loaded}
            url=${`/api/near?${new URLSearchParams({ pattern: pattern_id })}`}
            version=${version}
          >
            ${(/** @type {any} */ near) =>
              near.isTooSlow
                ? html`<${TooSlow} statement=${nearStatement(pattern_id)} />`
                : html`<${Found} near=${near} caption=${`Near misses of ${action_type}`} />`}
          <//>`
        : html`<p class="empty">It is disabled.</p>`
    }
  </section>`;
}

/** @param {{ near: NearMatches, caption: string }} props */
function Found({ near: { count, first }, caption }) {
  return html`
    <p class="note" role="status">
      ${`${formatCount(count)} would be detected if each threshold were 10 % easier to meet`}${count > first.length ? `; the first ${formatCount(first.length)} are shown` : ''}.
    </p>
    <${DataTable}
      caption=${caption}
      hasHiddenCaption
      columns=${columns}
      rows=${first}
      keyOf=${(/** @type {NearMatches['first'][number]} */ row) => JSON.stringify([row.merchant_id, row.customer_id])}
      empty="Nothing is near."
    />
  `;
}
