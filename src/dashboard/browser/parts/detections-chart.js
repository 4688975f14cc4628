import uPlot from '/vendor/uplot.js';
import { formatCount } from '/format.js';
import { Component, html } from '/html.js';
import { axes, fromZero } from '/parts/axes.js';
import { Chart } from '/parts/chart.js';
import { numberColumn } from '/parts/columns.js';

/** @typedef {import('../../payloads.js').Chunk} Chunk */
/** @typedef {import('../../payloads.js').ChunkDetections} ChunkDetections */
/** @typedef {import('../../payloads.js').Pattern} Pattern */
/** @typedef {{ chunks: Chunk[], chunkDetections: ChunkDetections[], patterns: Pattern[], only?: Pattern }} Props */

/** Colors of the style sheet; patterns beyond have the last one. */
const SERIES = 4;

/**
 * New detections of each chunk, stacked by pattern; or those of one pattern only.
 * @extends {Component<Props>}
 */
export class DetectionsChart extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    return (
      next.chunkDetections !== this.props.chunkDetections ||
      next.patterns !== this.props.patterns ||
      next.chunks !== this.props.chunks
    );
  }

  render() {
    const { chunks, chunkDetections, only } = this.props;
    const seriesOf = (/** @type {Pattern} */ { pattern_id }) =>
      Math.min(this.props.patterns.findIndex((each) => each.pattern_id === pattern_id) + 1, SERIES);
    const patterns = only ? [only] : this.props.patterns;
    const found = new Map(
      chunkDetections.map((entry) => [`${entry.chunk_no} ${entry.pattern_id}`, entry.detection_count]),
    );
    const rows = chunks.map(({ chunk_no }) => ({
      chunk_no,
      counts: patterns.map(({ pattern_id }) => found.get(`${chunk_no} ${pattern_id}`) ?? 0),
    }));
    // each bar reaches from 0 to the top of its pattern; the bars of the patterns below are drawn over it
    const stacked = patterns.map((_pattern, place) =>
      rows.map(({ counts }) => counts.slice(0, place + 1).reduce((sum, count) => sum + count, 0)),
    );
    const drawn = patterns.map((_pattern, place) => patterns.length - 1 - place);
    const most = Math.max(0, ...(stacked.at(-1) ?? []));
    return html`<${Chart}
      title=${only ? `${only.action_type}: new detections by chunk` : 'New detections by chunk'}
      summary=${`${chunks.length} chunks; at most ${formatCount(most)} new detections in one.`}
      data=${[rows.map(({ chunk_no }) => chunk_no), ...drawn.map((place) => stacked[place])]}
      options=${(/** @type {(name: string) => string} */ color) => ({
        scales: {
          x: {
            time: false,
            range: (/** @type {any} */ _plot, /** @type {number} */ least, /** @type {number} */ last) => [
              least - 0.6,
              last + 0.6,
            ],
          },
          y: fromZero,
        },
        axes: axes(color),
        series: [
          {},
          ...drawn.map((place) => ({
            fill: color(`series-${seriesOf(/** @type {Pattern} */ (patterns[place]))}`),
            width: 0,
            points: { show: false },
            paths: uPlot.paths.bars?.({ size: [0.8, 40] }),
          })),
        ],
      })}
      columns=${[
        numberColumn('chunk_no', 'Chunk'),
        ...patterns.map(({ pattern_id, action_type }, place) => ({
          key: pattern_id,
          label: action_type,
          isNumber: true,
          cell: (/** @type {any} */ row) => formatCount(row.counts[place]),
        })),
      ]}
      rows=${[...rows].reverse()}
    >
      <ul class="legend">
        ${patterns.map(
          (pattern) =>
            html`<li>
              <span class=${`dot series-${seriesOf(pattern)}`} aria-hidden="true"></span
              >${pattern.action_type}
            </li>`,
        )}
      </ul>
    <//>`;
  }
}
