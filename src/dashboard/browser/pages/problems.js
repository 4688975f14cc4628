import { formatBytes, formatCount, formatTime } from '/format.js';
import { html } from '/html.js';
import { codeColumn, numberColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').RejectedRow} RejectedRow */
/** @typedef {import('../../payloads.js').QuarantinedObject} QuarantinedObject */

const quarantineColumns = [
  codeColumn('object_key', 'Key in S3'),
  { ...textColumn('error', 'Why'), isWide: true },
  numberColumn('size_bytes', 'Size', formatBytes),
  textColumn('quarantined_at', 'Since', formatTime),
];

const rejectedColumns = [
  codeColumn('object_key', 'File', (key) => key.split('/').at(-1)),
  numberColumn('line_number', 'Line'),
  { ...textColumn('reason', 'Why'), isWide: true },
  { ...codeColumn('line', 'The row'), isWide: true },
  numberColumn('chunk_no', 'Chunk'),
];

/** Quarantined objects and rejected rows, with their reasons. @param {{ live: import('/event-source.js').LiveData }} props */
export function ProblemsPage({ live: { progress } }) {
  const version = `${progress?.chunks_applied} ${progress?.chunks_quarantined}`;
  return html`<${Loaded} url="/api/problems" version=${version}>
    ${(/** @type {import('../../payloads.js').ProblemsPage} */ { quarantined, rejectedRows }) => html`
      <section class="card">
        <div class="card-head"><h2>Quarantined chunks</h2></div>
        <p class="note">
          The content of these objects cannot be used, so none of their rows counts.${' '}
          <code>npm run quarantine -- --retry KEY</code> lets a mended object be tried again.
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
          These rows do not count; the other rows of their chunks do.
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
