import uPlot from '/vendor/uplot.js';
import { formatCount } from '/format.js';
import { Component, html } from '/html.js';
import { axes, fromZero } from '/parts/axes.js';
import { Chart } from '/parts/chart.js';
import { numberColumn } from '/parts/columns.js';

/** @typedef {import('../../payloads.js').CountBar} CountBar */
/** @typedef {{ count: number | null, text: string }} Mark a line before this count, and what it means */
/** @typedef {{ counts: CountBar[], marks: Mark[] }} Props */

/**
 * How many customers of a merchant have how many transactions, with the marks of patterns.
 * @extends {Component<Props>}
 */
export class CountsChart extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    return JSON.stringify(next) !== JSON.stringify(this.props);
  }

  render() {
    const { counts, marks } = this.props;
    const width =
      counts.length > 0
        ? /** @type {CountBar} */ (counts[0]).to_count - /** @type {CountBar} */ (counts[0]).from_count + 1
        : 1;
    const middle = (/** @type {CountBar} */ bar) => bar.from_count + (width - 1) / 2;
    return html`<${Chart}
      title="Customers by their transactions"
      summary=${marks.map(({ text }) => text).join(' ')}
      data=${[counts.map(middle), counts.map(({ customer_count }) => customer_count)]}
      options=${(/** @type {(name: string) => string} */ color) => ({
        scales: {
          x: {
            time: false,
            range: (/** @type {any} */ _plot, /** @type {number} */ _least, /** @type {number} */ last) => [
              0.5,
              Math.max(last, ...marks.map(({ count }) => count ?? 0)) + width,
            ],
          },
          y: fromZero,
        },
        axes: axes(color),
        series: [
          {},
          {
            fill: color('series-1'),
            width: 0,
            points: { show: false },
            paths: uPlot.paths.bars?.({ size: [0.85, 60] }),
          },
        ],
        hooks: {
          draw: marks.map(
            ({ count }) =>
              (/** @type {uPlot} */ plot) =>
                drawLine(plot, count, color('series-2')),
          ),
        },
      })}
      columns=${[
        {
          key: 'from_count',
          label: 'Transactions',
          isNumber: true,
          cell: (/** @type {CountBar} */ { from_count, to_count }) =>
            from_count === to_count
              ? formatCount(from_count)
              : `${formatCount(from_count)} to ${formatCount(to_count)}`,
        },
        numberColumn('customer_count', 'Customers'),
      ]}
      rows=${counts}
    >
      ${marks.map(
        ({ text }) => html`<p class="now"><span class="dot series-2" aria-hidden="true"></span>${text}</p>`,
      )}
    <//>`;
  }
}

/** @param {uPlot} plot @param {number | null} count @param {string} color */
function drawLine(plot, count, color) {
  if (count === null) return;
  // between this count and the one before it
  const x = Math.round(plot.valToPos(count - 0.5, 'x', true));
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
