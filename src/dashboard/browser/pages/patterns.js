import { conditionOf, formatCount, formatMeasure } from '/format.js';
import { html } from '/html.js';
import { DetectionsChart } from '/parts/detections-chart.js';
import { Facts } from '/parts/facts.js';
import { NearMisses } from '/parts/near-misses.js';
import { WhatIf } from '/parts/what-if.js';

/** Each pattern, and what other thresholds would change. @param {{ live: import('/event-source.js').LiveData }} props */
export function PatternsPage({ live }) {
  const { progress, patterns, chunks, chunkDetections } = live;
  if (!progress || !patterns || !chunks || !chunkDetections)
    return html`<p class="empty" role="status">Loading …</p>`;
  const version = progress.chunks_applied;
  return patterns.map(
    (pattern, place) => html`
      <section class="pattern" key=${pattern.pattern_id} aria-labelledby=${`pattern-${place}`}>
        <h2 id=${`pattern-${place}`}>
          <span class=${`badge series-${place + 1}`}>${pattern.action_type}</span> ${pattern.pattern_id}
        </h2>
        <p>${pattern.description}</p>
        ${
          pattern.reason_template === null
            ? null
            : html`<p class="note">Each detection says: “${pattern.reason_template}”</p>`
        }
        <${Facts}
          facts=${[
            ['Enabled', pattern.is_enabled ? 'yes' : 'no'],
            ['Detections', formatCount(progress.detections[pattern.pattern_id] ?? 0)],
            ...Object.entries(pattern.thresholds).map(([name, value]) => [
              conditionOf(name),
              formatMeasure(name, value),
            ]),
          ]}
        />
        <div class="pair">
          <${DetectionsChart}
            chunks=${chunks}
            chunkDetections=${chunkDetections}
            patterns=${patterns}
            only=${pattern}
          />
          <${NearMisses} pattern=${pattern} version=${version} />
        </div>
        <${WhatIf} pattern=${pattern} place=${place} version=${version} />
      </section>
    `,
  );
}
