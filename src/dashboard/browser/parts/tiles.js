import { formatCount, formatDuration, formatSeconds, plural } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';

/** @typedef {import('../../payloads.js').Progress} Progress */

/** The figures at the top. @param {{ progress: Progress, patterns: import('../../payloads.js').Pattern[] }} props */
export function Tiles({ progress, patterns }) {
  const total = Object.values(progress.detections).reduce((sum, count) => sum + count, 0);
  const lag = progress.lag_seconds;
  const { chunks_uploaded, chunks_applied, chunks_pending, chunks_quarantined } = progress;
  return html`
    <dl class="tiles">
      <${Tile} name="Chunks applied" id="chunks-applied" value=${formatCount(chunks_applied)}>
        <progress
          max=${Math.max(chunks_uploaded, 1)}
          value=${chunks_applied}
          aria-label="Chunks applied of those uploaded"
        ></progress>
        <span>of <b data-figure="chunks-uploaded">${formatCount(chunks_uploaded)}</b> uploaded</span>
      <//>
      <${Tile} name="Lag" id="lag" value=${lag === null ? 'unknown' : formatSeconds(lag)}>
        <span
          ><b data-figure="chunks-pending">${plural(chunks_pending, 'chunk')}</b>
          ${lag === null ? ' waited at the last listing' : ' waiting'}</span
        >
      <//>
      <${Tile} name="Rows a second" id="rows-per-second" value=${formatCount(progress.rows_per_second ?? 0)}>
        <span><b data-figure="rows-applied">${formatCount(progress.rows_applied)}</b> in all</span>
      <//>
      <${Tile} name="Time per chunk" id="chunk-ms" value=${formatDuration(progress.median_chunk_ms)}>
        <span>median of the last 20</span>
      <//>
      <${Tile} name="Detections" id="detections" value=${formatCount(total)}>
        <ul class="by-pattern">
          ${patterns.map(
            ({ pattern_id, action_type, description }, place) =>
              html`<li title=${description}>
                <span class=${`dot series-${place + 1}`} aria-hidden="true"></span>
                ${`${action_type} `}
                <b data-figure=${pattern_id}>${formatCount(progress.detections[pattern_id] ?? 0)}</b>
              </li>`,
          )}
        </ul>
      <//>
      <${Tile} name="Files written" id="files" value=${formatCount(progress.batches_exported)} page="files">
        <span
          >${progress.batches_pending === 0 ? 'none waits' : `${formatCount(progress.batches_pending)} to write`}</span
        >
      <//>
      <${Tile}
        name="Rows rejected"
        id="rows-rejected"
        value=${formatCount(progress.rows_rejected)}
        page="problems"
      >
        <span
          ><b data-figure="chunks-quarantined">${plural(chunks_quarantined, 'chunk')}</b> quarantined</span
        >
      <//>
    </dl>
  `;
}

/** @param {{ name: string, id: string, value: string, page?: string, children?: any }} props */
function Tile({ name, id, value, page, children }) {
  return html`
    <div class=${`tile tile-${id}`}>
      <dt>${page ? html`<a href=${linkTo(page)}>${name}</a>` : name}</dt>
      <dd class="figure" data-figure=${id}>${value}</dd>
      <dd class="beside">${children}</dd>
    </div>
  `;
}
