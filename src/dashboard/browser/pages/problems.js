import { NONE, formatBytes, formatCount, formatTime } from '/format.js';
import { html } from '/html.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').RejectedRow} RejectedRow */
/** @typedef {import('../../payloads.js').QuarantinedObject} QuarantinedObject */

const quarantineColumns = [
  {
    key: 'object_key',
    label: 'Key in S3',
    cell: (/** @type {QuarantinedObject} */ { object_key }) => html`<code>${object_key}</code>`,
  },
  { key: 'error', label: 'Why', isWide: true, cell: (/** @type {QuarantinedObject} */ { error }) => error },
  {
    key: 'size_bytes',
    label: 'Size',
    isNumber: true,
    cell: (/** @type {QuarantinedObject} */ { size_bytes }) => formatBytes(size_bytes),
  },
  {
    key: 'quarantined_at',
    label: 'Since',
    cell: (/** @type {QuarantinedObject} */ { quarantined_at }) => formatTime(quarantined_at),
  },
];

const rejectedColumns = [
  {
    key: 'chunk_no',
    label: 'Chunk',
    isNumber: true,
    cell: (/** @type {RejectedRow} */ { chunk_no }) => (chunk_no === null ? NONE : formatCount(chunk_no)),
  },
  {
    key: 'object_key',
    label: 'File',
    cell: (/** @type {RejectedRow} */ { object_key }) => html`<code>${object_key.split('/').at(-1)}</code>`,
  },
  {
    key: 'line_number',
    label: 'Line',
    isNumber: true,
    cell: (/** @type {RejectedRow} */ { line_number }) => formatCount(line_number),
  },
  { key: 'reason', label: 'Why', isWide: true, cell: (/** @type {RejectedRow} */ { reason }) => reason },
  {
    key: 'line',
    label: 'The row',
    isWide: true,
    cell: (/** @type {RejectedRow} */ { line }) => html`<code>${line}</code>`,
  },
];

/** What did not count, and why. @param {{ live: import('/live.js').LiveData }} props */
export function ProblemsPage({ live: { progress } }) {
  const version = `${progress?.chunks_applied} ${progress?.chunks_quarantined}`;
  return html`<${Loaded} url="/api/problems" version=${version}>
    ${(/** @type {import('../../payloads.js').ProblemsPage} */ { quarantined, rejectedRows }) => html`
      <section class="card">
        <div class="card-head"><h2>Quarantined chunks</h2></div>
        <p class="note">
          Set aside as a whole because of their content. Once it is mended,${' '}
          <code>npm run quarantine -- --retry KEY</code> lets one be tried again.
        </p>
        <${DataTable}
          caption="Quarantined chunks"
          hasHiddenCaption
          columns=${quarantineColumns}
          rows=${quarantined}
          keyOf=${(/** @type {QuarantinedObject} */ object) => object.object_key}
          empty="None: every chunk could be read."
        />
      </section>
      <section class="card">
        <div class="card-head"><h2>Rejected rows</h2></div>
        <p class="note">
          They did not count; the others of their chunk did.
          ${rejectedRows.length > 0 ? ` ${formatCount(progress?.rows_rejected)} rows of chunks in all; the newest are shown, at most 50 of a file.` : ''}
        </p>
        <${DataTable}
          caption="Rejected rows"
          hasHiddenCaption
          columns=${rejectedColumns}
          rows=${rejectedRows}
          keyOf=${(/** @type {RejectedRow} */ row) => `${row.line_number} ${row.object_key}`}
          empty="None: every row was good."
        />
      </section>
    `}
  <//>`;
}
