import { formatCount, formatTime } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').DetectionFile} DetectionFile */

const columns = [
  {
    key: 'batch_no',
    label: 'File',
    isNumber: true,
    cell: (/** @type {DetectionFile} */ { batch_no }) =>
      html`<a href=${linkTo('file', batch_no)}>${formatCount(batch_no)}</a>`,
  },
  {
    key: 'row_count',
    label: 'Rows',
    isNumber: true,
    cell: (/** @type {DetectionFile} */ { row_count }) => formatCount(row_count),
  },
  {
    key: 'exported_at',
    label: 'Written',
    cell: (/** @type {DetectionFile} */ { exported_at }) =>
      exported_at === null ? 'not yet' : formatTime(exported_at),
  },
  {
    key: 'object_key',
    label: 'Key in S3',
    cell: (/** @type {DetectionFile} */ { object_key }) => html`<code>${object_key}</code>`,
  },
];

/** @param {{ live: import('/live.js').LiveData }} props */
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
          empty="No file has been written yet. One is as soon as enough detections wait, or no more chunks come."
        />`}
    <//>
  </section>`;
}
