import { Component, html } from '/html.js';
import { DetectionList } from '/parts/detection-list.js';
import { Loaded } from '/parts/loaded.js';

const STEP = 50;
const MOST = 500;

/**
 * The newest detections, with a filter for pattern and merchant.
 * @extends {Component<{ live: import('/event-source.js').LiveData }, { pattern: string, merchant: string, limit: number }>}
 */
export class Feed extends Component {
  state = { pattern: '', merchant: '', limit: STEP };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  choosePattern = (/** @type {any} */ event) => this.setState({ pattern: event.target.value, limit: STEP });

  /** Waits for a pause in the typing. */
  typeMerchant = (/** @type {any} */ event) => {
    const merchant = event.target.value.trim();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.setState({ merchant, limit: STEP }), 250);
  };

  more = () => this.setState({ limit: Math.min(this.state.limit + STEP, MOST) });

  render() {
    const { live } = this.props;
    const patterns = live.patterns ?? [];
    return html`
      <section class="card" aria-labelledby="feed-title">
        <div class="card-head">
          <h2 id="feed-title">Newest detections</h2>
          <form
            class="filters"
            role="search"
            aria-label="Filter detections"
            onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}
          >
            <label
              >Pattern
              <select onChange=${this.choosePattern}>
                <option value="">All patterns</option>
                ${patterns.map(
                  ({ pattern_id, action_type }) =>
                    html`<option value=${pattern_id}>${pattern_id} ${action_type}</option>`,
                )}
              </select>
            </label>
            <label
              >Merchant
              <input
                type="search"
                placeholder="All merchants"
                spellcheck=${false}
                autocomplete="off"
                onInput=${this.typeMerchant}
            /></label>
          </form>
        </div>
        ${this.detections(patterns.map(({ pattern_id }) => pattern_id))}
      </section>
    `;
  }

  /** Without a filter the newest come with the event stream; others are requested. @param {string[]} patternIds */
  detections(patternIds) {
    const { newest, progress } = this.props.live;
    const { pattern, merchant, limit } = this.state;
    if (pattern === '' && merchant === '' && limit === STEP) {
      return newest
        ? this.list(newest, patternIds, 'Nothing has been detected yet.')
        : html`<p class="empty">Loading …</p>`;
    }
    const query = new URLSearchParams({ limit: String(limit) });
    if (pattern) query.set('pattern', pattern);
    if (merchant) query.set('merchant', merchant);
    return html`<${Loaded} url=${`/api/detections?${query}`} version=${JSON.stringify(progress?.detections)}>
      ${(/** @type {any[]} */ found) => this.list(found, patternIds, 'No detection matches.')}
    <//>`;
  }

  /** @param {any[]} detections @param {string[]} patternIds @param {string} empty */
  list(detections, patternIds, empty) {
    const mayBeMore = detections.length >= this.state.limit && this.state.limit < MOST;
    return html`
      <${DetectionList}
        detections=${detections}
        patternIds=${patternIds}
        isLive
        label="Newest detections"
        empty=${empty}
      />
      ${mayBeMore ? html`<p class="more"><button type="button" onClick=${this.more}>Show more</button></p>` : null}
    `;
  }
}
