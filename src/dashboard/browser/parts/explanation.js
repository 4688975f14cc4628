import { NONE, conditionOf, formatCount, formatMeasure } from '/format.js';
import { Component, html } from '/html.js';
import { explainStatement } from '/commands.js';
import { numberColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';
import { TooSlow } from '/parts/too-slow.js';

/** @typedef {import('../../payloads.js').Condition} Condition */

/** @param {'threshold' | 'value'} key @param {string} label */
const measureColumn = (key, label) => ({
  ...numberColumn(key, label),
  cell: (/** @type {Condition} */ row) => formatMeasure(row.condition, row[key]),
});

const columns = [
  textColumn('pattern_id', 'Pattern'),
  textColumn('is_met', 'Met', (isMet) =>
    isMet === null ? 'unknown' : isMet ? html`<span class="passed">✓ yes</span>` : '✗ no',
  ),
  textColumn('condition', 'Condition', conditionOf),
  measureColumn('threshold', 'Threshold'),
  measureColumn('value', 'Value'),
  textColumn('detected_in_chunk', 'Detected since', (chunk) =>
    chunk === null ? NONE : `chunk ${formatCount(chunk)}`,
  ),
];

/**
 * Why a customer is detected at a merchant, or is not: each condition of each pattern.
 * @typedef {{ customer: string, merchants: string[], version: unknown }} Props
 * @extends {Component<Props, { chosen?: string }>}
 */
export class Explanation extends Component {
  state = /** @type {{ chosen?: string }} */ ({});

  render() {
    const { customer, merchants, version } = this.props;
    const merchant = this.state.chosen ?? merchants[0] ?? '';
    const url = `/api/explanation?${new URLSearchParams({ merchant, customer })}`;
    return html`<section class="card">
      <div class="card-head">
        <h2>Why, or why not</h2>
        <form class="filters" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
          <label
            >At merchant
            <select
              value=${merchant}
              onChange=${(/** @type {any} */ event) => this.setState({ chosen: event.target.value })}
            >
              ${merchants.map((id) => html`<option key=${id} value=${id}>${id}</option>`)}
            </select>
          </label>
        </form>
      </div>
      <${Loaded} key=${url} url=${url} version=${version}>
        ${(/** @type {any} */ answer) =>
          answer.isTooSlow
            ? html`<${TooSlow} statement=${explainStatement(merchant, customer)} />`
            : html`<${DataTable}
                caption=${`Each condition for this customer at ${merchant}`}
                hasHiddenCaption
                columns=${columns}
                rows=${answer}
                keyOf=${(/** @type {Condition} */ row) => `${row.pattern_id} ${row.condition}`}
                empty="No pattern is enabled."
              />`}
      <//>
    </section>`;
  }
}
