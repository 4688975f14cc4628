import { formatAmount, formatCount, plural } from '/format.js';
import { Component, html } from '/html.js';
import { partsOf } from '/pattern-parts.js';
import { linkTo } from '/route.js';
import { linkColumn, numberColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').Merchant} Merchant */

const columns = [
  linkColumn('merchant_id', 'Merchant', 'merchant'),
  numberColumn('transaction_count', 'Transactions'),
  numberColumn('customer_count', 'Customers'),
  numberColumn('female_count', 'Women'),
  numberColumn('male_count', 'Men'),
  numberColumn('average_amount', 'Average amount', formatAmount),
  numberColumn('detection_count', 'Detections'),
].map((column) => ({ ...column, isSortable: true }));

/**
 * @typedef {{ search: string, key: string, order: 'asc' | 'desc' }} State
 * @extends {Component<{ live: import('/event-source.js').LiveData }, State>}
 */
export class MerchantsPage extends Component {
  state = /** @type {State} */ ({ search: '', key: 'transaction_count', order: 'desc' });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  type = (/** @type {any} */ event) => {
    const search = event.target.value.trim();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.setState({ search }), 250);
  };

  /**
   * Sorts by a column; a second click reverses the order. Names start with the smallest, numbers with the greatest.
   * @param {string} key
   */
  sort = (key) => {
    const first = key === 'merchant_id' ? 'asc' : 'desc';
    const other = this.state.order === 'asc' ? 'desc' : 'asc';
    this.setState({ key, order: key === this.state.key ? other : first });
  };

  openCustomer = (/** @type {any} */ event) => {
    event.preventDefault();
    const id = new FormData(event.target).get('customer')?.toString().trim();
    if (id) location.hash = linkTo('customer', id);
  };

  render() {
    const { search, key, order } = this.state;
    const { progress, patterns = [] } = this.props.live;
    const query = new URLSearchParams({ search, sort: key, order });
    return html`
      <${Loaded} url="/api/parts" version=${progress?.chunks_applied}>
        ${(/** @type {Record<string, unknown>} */ data) =>
          partsOf(patterns, data).map(({ module, props }) =>
            module.MerchantsCard ? html`<${module.MerchantsCard} ...${props} />` : null,
          )}
      <//>
      <section class="card">
        <div class="card-head">
          <form
            class="filters"
            role="search"
            aria-label="Search merchants"
            onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}
          >
            <label
              >Search merchants
              <input
                type="search"
                placeholder="Part of a name"
                spellcheck=${false}
                autocomplete="off"
                onInput=${this.type}
            /></label>
          </form>
          <form class="filters" aria-label="Open a customer" onSubmit=${this.openCustomer}>
            <label
              >Open customer
              <input name="customer" placeholder="Whole name" spellcheck=${false} autocomplete="off"
            /></label>
            <button type="submit">Open</button>
          </form>
        </div>
        <${Loaded} url=${`/api/merchants?${query}`} version=${progress?.chunks_applied}>
          ${(/** @type {import('../../payloads.js').MerchantList} */ { merchants, count: all }) => html`
            <p class="note" role="status">
              ${plural(all, 'merchant')}${all > merchants.length ? `, the first ${formatCount(merchants.length)} shown` : ''}.
            </p>
            <${DataTable}
              caption="Merchants"
              hasHiddenCaption
              columns=${columns}
              rows=${merchants}
              keyOf=${(/** @type {Merchant} */ merchant) => merchant.merchant_id}
              empty=${search === '' ? 'No chunk has been applied yet.' : 'No merchant has that in its name.'}
              sort=${{ key, order }}
              onSort=${this.sort}
            />
          `}
        <//>
      </section>
    `;
  }
}
