import { formatCount, formatTime } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';
import { codeColumn, numberColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').DetectionFile} DetectionFile */

const columns = [
  {
    ...numberColumn('batch_no', 'File'),
    cell: (/** @type {DetectionFile} */ { batch_no }) =>
      html`<a href=${linkTo('file', batch_no)}>${formatCount(batch_no)}</a>`,
  },
  numberColumn('row_count', 'Rows'),
  textColumn('exported_at', 'Written', (time) => (time === null ? 'not yet' : formatTime(time))),
  codeColumn('object_key', 'Key in S3'),
];

/** @param {{ live: import('/event-source.js').LiveData }} props */
export function FilesPage({ live: { progress } }) {
  const version = `${progress?.batches_exported} ${progress?.batches_pending}`;
  return html`<section class="card">
    <${Loaded} url="/api/files" version=${version}>
      ${(/** @type {DetectionFile[]} */ files) =>
        html`<${DataTable}
          caption="Detection files, newest first"
          columns=${columns}
          rows=${files}
          keyOf=${(/** @type {DetectionFile} */ file) => file.batch_no}
          empty="No file has been written yet. The first one is written when enough detections wait, or no more chunks come."
        />`}
    <//>
  </section>`;
}
