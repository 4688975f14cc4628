import { html } from '/html.js';
import { DetectionsChart } from '/parts/detections-chart.js';
import { Feed } from '/parts/feed.js';
import { PaceCharts } from '/parts/pace-charts.js';
import { Tiles } from '/parts/tiles.js';

/** Whether the pipeline keeps up, and what it has found. @param {{ live: import('/event-source.js').LiveData }} props */
export function Overview({ live }) {
  const { progress, patterns, chunks, chunkDetections } = live;
  if (!progress || !patterns || !chunks || !chunkDetections)
    return html`<p class="empty" role="status">Loading …</p>`;
  return html`
    <${Tiles} progress=${progress} patterns=${patterns} />
    ${
      chunks.length === 0
        ? html`<p class="card empty">No chunk has been applied yet. The charts appear with the first one.</p>`
        : html`<div class="charts">
            <${DetectionsChart} chunks=${chunks} chunkDetections=${chunkDetections} patterns=${patterns} />
            <${PaceCharts} chunks=${chunks} />
          </div>`
    }
    <${Feed} live=${live} />
  `;
}
