import uPlot from '/vendor/uplot.js';
import { Component, html } from '/html.js';
import { endRoom } from '/parts/axes.js';
import { DataTable } from '/parts/data-table.js';
import { THEME_CHANGED } from '/parts/theme-switch.js';

const HEIGHT = 200;

/**
 * @typedef {object} ChartProps
 * @property {string} title
 * @property {string} summary the chart in a sentence, for screen readers
 * @property {(number | null)[][]} data x values, then those of each series
 * @property {(color: (name: string) => string) => Partial<import('uplot').Options>} options with the colors of the theme
 * @property {import('/parts/data-table.js').Column[]} columns of the table with the same data
 * @property {any[]} rows of that table
 * @property {any} [children] a legend
 */

/**
 * A chart on a canvas, and its data as a table, which screen readers can read.
 * @extends {Component<ChartProps, { isTableShown: boolean }>}
 */
export class Chart extends Component {
  state = { isTableShown: false };
  /** @type {HTMLElement | null} */
  #place = null;
  /** @type {uPlot | undefined} */
  #plot;
  #resizes = new ResizeObserver(() => this.#plot?.setSize(this.size()));
  draw = () => {
    this.#plot?.destroy();
    if (!this.#place) return;
    const options = {
      legend: { show: false },
      padding: [10, endRoom, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      ...this.props.options((name) => this.color(name)),
      ...this.size(),
    };
    this.#plot = new uPlot(/** @type {any} */ (options), /** @type {any} */ (this.props.data), this.#place);
  };

  componentDidMount() {
    this.draw();
    if (this.#place) this.#resizes.observe(this.#place);
    document.addEventListener(THEME_CHANGED, this.draw);
  }

  /** @param {ChartProps} before */
  componentDidUpdate(before) {
    if (before.data.length !== this.props.data.length) this.draw();
    else if (before.data !== this.props.data) this.#plot?.setData(/** @type {any} */ (this.props.data));
  }

  componentWillUnmount() {
    document.removeEventListener(THEME_CHANGED, this.draw);
    this.#resizes.disconnect();
    this.#plot?.destroy();
  }

  size() {
    return { width: Math.max(this.#place?.clientWidth ?? 0, 200), height: HEIGHT };
  }

  /** The color of a variable of the style sheet in the current theme. @param {string} name */
  color(name) {
    const place = /** @type {HTMLElement} */ (this.#place);
    place.style.color = `var(--${name})`;
    const { color } = getComputedStyle(place);
    place.style.color = '';
    return color;
  }

  render() {
    const { title, summary, columns, rows, children } = this.props;
    const { isTableShown } = this.state;
    return html`
      <section class="card chart">
        <div class="card-head">
          <h2>${title}</h2>
          ${children}
        </div>
        <div
          class="plot"
          role="img"
          aria-label=${`${title}. ${summary}`}
          ref=${(/** @type {any} */ place) => (this.#place = place)}
        ></div>
        <details onToggle=${(/** @type {any} */ event) => this.setState({ isTableShown: event.target.open })}>
          <summary>As a table</summary>
          ${
            isTableShown
              ? html`<${DataTable}
                  caption=${title}
                  hasHiddenCaption
                  columns=${columns}
                  rows=${rows}
                  keyOf=${keyOf(columns)}
                  empty="Nothing yet."
                />`
              : null
          }
        </details>
      </section>
    `;
  }
}

/** The first column identifies a row. @param {import('/parts/data-table.js').Column[]} columns */
function keyOf([first]) {
  return (/** @type {any} */ row) => row[/** @type {any} */ (first).key];
}
