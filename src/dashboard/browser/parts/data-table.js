import { Component, html } from '/html.js';

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} label
 * @property {boolean} [isNumber] aligned to the right
 * @property {boolean} [isSortable]
 * @property {boolean} [isWide] may break its lines
 * @property {(row: any) => any} cell
 */

/**
 * A table with a caption. The first column holds the row headers. With `sort`, headers of sortable columns are buttons.
 * @param {{
 *   caption: string,
 *   hasHiddenCaption?: boolean,
 *   columns: Column[],
 *   rows: any[],
 *   keyOf: (row: any) => string | number,
 *   empty: string,
 *   sort?: { key: string, order: 'asc' | 'desc' },
 *   onSort?: (key: string) => void,
 * }} props
 */
export function DataTable({ caption, hasHiddenCaption, columns, rows, keyOf, empty, sort, onSort }) {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`;
  const isStacked = columns.some(({ isWide }) => isWide);
  return html`
    <${Scroll} label=${caption}>
      <table class=${isStacked ? 'stacks' : ''}>
        <caption class=${hasHiddenCaption ? 'unseen' : ''}>
          ${caption}
        </caption>
        <thead>
          <tr>
            ${columns.map(
              (column) =>
                html`<th scope="col" class=${classOf(column)} aria-sort=${ariaSort(column, sort)}>
                  ${
                    column.isSortable && onSort
                      ? html`<button type="button" onClick=${() => onSort(column.key)}>
                          ${column.label}<span aria-hidden="true" class="arrow"
                            >${sort?.key === column.key ? (sort.order === 'asc' ? '▲' : '▼') : ''}</span
                          >
                        </button>`
                      : column.label
                  }
                </th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr key=${keyOf(row)}>
                ${columns.map((column, place) =>
                  place === 0
                    ? html`<th scope="row" class=${classOf(column)}>${column.cell(row)}</th>`
                    : html`<td class=${classOf(column)} data-label=${column.label}>${column.cell(row)}</td>`,
                )}
              </tr>`,
          )}
        </tbody>
      </table>
    <//>
  `;
}

/**
 * A part of the page that scrolls sideways where it is wider than the page, and says so.
 * @typedef {{ label: string, children: any }} ScrollProps
 * @extends {Component<ScrollProps, { isCut: boolean }>}
 */
class Scroll extends Component {
  state = { isCut: false };
  /** @type {HTMLElement | null} */
  #place = null;
  look = () => {
    const { scrollWidth = 0, clientWidth = 0 } = this.#place ?? {};
    const isCut = scrollWidth > clientWidth + 1;
    if (isCut !== this.state.isCut) this.setState({ isCut });
  };
  #resizes = new ResizeObserver(this.look);

  componentDidMount() {
    if (this.#place) this.#resizes.observe(this.#place);
  }

  componentDidUpdate() {
    this.look();
  }

  componentWillUnmount() {
    this.#resizes.disconnect();
  }

  render() {
    const { label, children } = this.props;
    return html`
      ${this.state.isCut ? html`<p class="note">Scroll sideways to see all columns →</p>` : null}
      <div
        class="scroll"
        role="region"
        aria-label=${label}
        tabindex="0"
        ref=${(/** @type {any} */ place) => (this.#place = place)}
      >
        ${children}
      </div>
    `;
  }
}

/** @param {Column} column */
function classOf({ isNumber, isWide }) {
  return [isNumber ? 'number' : '', isWide ? 'wide' : ''].join(' ').trim();
}

/** @param {Column} column @param {{ key: string, order: 'asc' | 'desc' } | undefined} sort */
function ariaSort({ key, isSortable }, sort) {
  if (!isSortable || !sort) return undefined;
  if (sort.key !== key) return 'none';
  return sort.order === 'asc' ? 'ascending' : 'descending';
}
