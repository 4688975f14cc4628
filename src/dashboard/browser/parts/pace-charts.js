import { formatCount, formatDuration, formatTime, zoneOf } from '/format.js';
import { Component, html } from '/html.js';
import { axes, fromZeroWithoutSpikes, topOf } from '/parts/axes.js';
import { Chart } from '/parts/chart.js';
import { numberColumn, textColumn } from '/parts/columns.js';

/** @typedef {import('../../payloads.js').Chunk} Chunk */

/**
 * Time per chunk and rows a second, over time. Only of the run that applied the newest chunk: a long pause between two
 * runs would squeeze each of them into a line.
 * @extends {Component<{ chunks: Chunk[] }>}
 */
export class PaceCharts extends Component {
  /** @param {{ chunks: Chunk[] }} next */
  shouldComponentUpdate(next) {
    return next.chunks !== this.props.chunks;
  }

  render() {
    const run = this.props.chunks.at(-1)?.run_id;
    const chunks = this.props.chunks.filter(({ run_id }) => run_id === run);
    return html`
      <${PaceChart}
        title="Time per chunk"
        name="elapsed_ms"
        label="Time"
        format=${formatDuration}
        chunks=${chunks}
        series="series-1"
      />
      <${PaceChart}
        title="Rows a second"
        name="rows_per_second"
        label="Rows a second"
        format=${formatCount}
        chunks=${chunks}
        series="series-3"
      />
    `;
  }
}

/**
 * @param {{
 *   title: string, name: 'elapsed_ms' | 'rows_per_second', label: string,
 *   format: (value: number | null) => string, chunks: Chunk[], series: string,
 * }} props
 */
function PaceChart({ title, name, label, format, chunks, series }) {
  const values = chunks.map((chunk) => chunk[name]);
  const known = values.filter((value) => value !== null);
  const top = topOf(values);
  const beyond = known.filter((value) => value > top).length;
  const last = chunks.at(-1);
  const words = [
    ...(known.length === 0 ? [] : [`last ${format(known.at(-1) ?? null)}`]),
    ...(beyond === 0 ? [] : [`${formatCount(beyond)} above the chart, up to ${format(Math.max(...known))}`]),
    ...(last ? [zoneOf(last.applied_at)] : []),
  ];
  const summary =
    known.length === 0
      ? 'No chunk has been applied yet.'
      : `${chunks.length} chunks, from ${format(Math.min(...known))} to ${format(Math.max(...known))}; the last ${format(known.at(-1) ?? null)}.`;
  return html`<${Chart}
    title=${title}
    summary=${summary}
    data=${[chunks.map(({ applied_at }) => Date.parse(applied_at) / 1000), values]}
    options=${(/** @type {(name: string) => string} */ color) => ({
      scales: { y: fromZeroWithoutSpikes },
      axes: axes(color, { isTime: true, format: (value) => format(value) }),
      series: [{}, { stroke: color(series), width: 2, points: { show: chunks.length < 3 } }],
    })}
    columns=${[
      numberColumn('chunk_no', 'Chunk'),
      textColumn('applied_at', 'Applied', formatTime),
      numberColumn(name, label, format),
    ]}
    rows=${[...chunks].reverse()}
    ><span class="now">${words.join(' · ')}</span><//
  >`;
}
