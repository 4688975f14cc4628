import { formatCount, formatTime } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';
import { textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Facts } from '/parts/facts.js';
import { Loaded } from '/parts/loaded.js';

/** The columns of the file; `batch_no` and `detection_id` are not written. @param {object[]} rows */
const columnsOf = (rows) =>
  Object.keys(rows[0] ?? {})
    .filter((name) => name !== 'batch_no' && name !== 'detection_id')
    .map((name) => textColumn(name, name));

/** A detection file, row by row as it is written. @param {{ id: string, live: import('/event-source.js').LiveData }} props */
export function FilePage({ id, live: { progress } }) {
  return html`
    <p><a href=${linkTo('files')}>All files</a></p>
    <${Loaded}
      url=${`/api/file?${new URLSearchParams({ number: id })}`}
      version=${progress?.batches_exported}
      missing="There is no file of this number."
    >
      ${(/** @type {import('../../payloads.js').FilePage} */ { file, rows }) => html`
        <${Facts}
          facts=${[
            ['Rows', formatCount(file.row_count)],
            ['Written', file.exported_at === null ? 'not yet' : formatTime(file.exported_at)],
            ['Key in S3', html`<code>${file.object_key}</code>`],
          ]}
        />
        <section class="card">
          <${DataTable}
            caption=${rows.length < file.row_count ? `The first ${formatCount(rows.length)} rows, as they are written` : 'Rows, as they are written'}
            columns=${columnsOf(rows)}
            rows=${rows}
            keyOf=${(/** @type {{ detection_id: number }} */ row) => row.detection_id}
            empty="It has no rows."
          />
        </section>
      `}
    <//>
  `;
}
