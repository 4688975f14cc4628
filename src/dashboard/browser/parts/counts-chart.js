import uPlot from '/vendor/uplot.js';
import { formatCount, formatPlainShare } from '/format.js';
import { Component, html } from '/html.js';
import { axes, fromZero } from '/parts/axes.js';
import { Chart } from '/parts/chart.js';
import { numberColumn } from '/parts/columns.js';

/** @typedef {import('../../payloads.js').CountBar} CountBar */
/** @typedef {import('../../payloads.js').MerchantTop} MerchantTop */
/** @typedef {{ counts: CountBar[], top: MerchantTop | null }} Props */

/**
 * How many customers of a merchant have how many transactions, and where the top share begins.
 * @extends {Component<Props>}
 */
export class CountsChart extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    return JSON.stringify(next) !== JSON.stringify(this.props);
  }

  render() {
    const { counts, top } = this.props;
    const share = formatPlainShare(1 - (top?.count_percent_rank_from ?? 0.9));
    const line = top?.top_count ?? null;
    const lineText =
      line === null
        ? `No customer is in the top ${share}: too many have the same number of transactions.`
        : `The top ${share} begin at ${formatCount(line)}: ${formatCount(top?.top_customer_count)} customers.`;
    const width =
      counts.length > 0
        ? /** @type {CountBar} */ (counts[0]).to_count - /** @type {CountBar} */ (counts[0]).from_count + 1
        : 1;
    const middle = (/** @type {CountBar} */ bar) => bar.from_count + (width - 1) / 2;
    return html`<${Chart}
      title="Customers by their transactions"
      summary=${lineText}
      data=${[counts.map(middle), counts.map(({ customer_count }) => customer_count)]}
      options=${(/** @type {(name: string) => string} */ color) => ({
        scales: {
          x: {
            time: false,
            range: (/** @type {any} */ _plot, /** @type {number} */ _least, /** @type {number} */ last) => [
              0.5,
              Math.max(last, line ?? 0) + width,
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
        hooks: { draw: [(/** @type {uPlot} */ plot) => drawLine(plot, line, color('series-2'))] },
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
      ><p class="now"><span class="dot series-2" aria-hidden="true"></span>${lineText}</p><//
    >`;
  }
}

/** @param {uPlot} plot @param {number | null} count @param {string} color */
function drawLine(plot, count, color) {
  if (count === null) return;
  // between the greatest count outside the top share and the smallest one in it
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
