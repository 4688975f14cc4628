import { conditionOf, formatCount } from '/format.js';
import { Component, html } from '/html.js';
import { backtestCommand, updateStatement, whatIfStatement } from '/commands.js';
import { Copyable } from '/parts/copyable.js';
import { customerColumn, linkColumn, textColumn } from '/parts/columns.js';
import { DataTable } from '/parts/data-table.js';
import { Loaded } from '/parts/loaded.js';
import { TooSlow } from '/parts/too-slow.js';

/** @typedef {import('../../payloads.js').Pattern} Pattern */
/** @typedef {import('../../payloads.js').WhatIf} WhatIfAnswer */
/** @typedef {Record<string, string>} Texts thresholds as they are typed, by name; only those typed in */

/** The pause in the typing before the server is asked, in milliseconds. */
const TYPING_PAUSE_MS = 400;

const columns = [
  textColumn('change', 'Would be'),
  linkColumn('merchant_id', 'Merchant', 'merchant'),
  customerColumn,
  { ...textColumn('reason_text', 'Reason'), isWide: true },
];

/** @param {string} text @returns the number, or undefined if it is none. */
function parseNumber(text) {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : NaN;
  return Number.isFinite(number) ? number : undefined;
}

/**
 * The thresholds that differ from the pattern's; undefined if one is no number.
 * @param {Pattern} pattern @param {Texts} texts
 */
function changedThresholds({ thresholds }, texts) {
  /** @type {Record<string, number>} */
  const changed = {};
  for (const [name, text] of Object.entries(texts)) {
    const number = parseNumber(text);
    if (number === undefined) return undefined;
    if (number !== thresholds[name]) changed[name] = number;
  }
  return changed;
}

/**
 * A form with a pattern's thresholds: what others would change now, and how to set them.
 * @typedef {{ pattern: Pattern, place: number, version: unknown }} Props
 * @extends {Component<Props, { texts: Texts, askedTexts: Texts }>}
 */
export class WhatIf extends Component {
  state = /** @type {{ texts: Texts, askedTexts: Texts }} */ ({ texts: {}, askedTexts: {} });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  /** @param {Texts} texts @param {number} pauseMs */
  set(texts, pauseMs) {
    this.setState({ texts });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.setState({ askedTexts: texts }), pauseMs);
  }

  render() {
    const { pattern, place } = this.props;
    const { texts } = this.state;
    return html`<section class="card">
      <div class="card-head"><h3>With other thresholds</h3></div>
      <form
        class="filters"
        aria-label=${`Thresholds of ${pattern.action_type}`}
        onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}
      >
        ${Object.entries(pattern.thresholds).map(([name, value]) => {
          const text = texts[name] ?? String(value);
          const isWrong = parseNumber(text) === undefined;
          const faultId = `fault-${place}-${name}`;
          return html`<label key=${name}
            >${conditionOf(name)}
            <input
              inputmode="decimal"
              autocomplete="off"
              spellcheck=${false}
              value=${text}
              aria-invalid=${isWrong}
              aria-describedby=${isWrong ? faultId : undefined}
              onInput=${(/** @type {any} */ event) =>
                this.set({ ...texts, [name]: event.target.value }, TYPING_PAUSE_MS)}
            />
            ${isWrong ? html`<span class="fault" id=${faultId}>A number, such as 60 or 0.25</span>` : null}
          </label>`;
        })}
        <button type="button" onClick=${() => this.set({}, 0)}>Reset</button>
      </form>
      ${this.answer()}
    </section>`;
  }

  answer() {
    const { pattern, version } = this.props;
    const { pattern_id: id } = pattern;
    const changed = changedThresholds(pattern, this.state.askedTexts);
    if (changed === undefined) return null;
    if (Object.keys(changed).length === 0) {
      return html`<p class="note">
        Change a threshold to see what would hold with it now, and how to set it.
      </p>`;
    }
    const url = `/api/what-if?${new URLSearchParams({ pattern: id, thresholds: JSON.stringify(changed) })}`;
    return html`
      <${Loaded} key=${url} url=${url} version=${version}>
        ${(/** @type {any} */ answer) =>
          answer.isTooSlow
            ? html`<${TooSlow} statement=${whatIfStatement(id, changed)} />`
            : html`<${Changes} answer=${answer} action=${pattern.action_type} />`}
      <//>
      <p class="note">To set it from the next chunk on; what was detected stays:</p>
      <${Copyable} code=${updateStatement(id, changed)} what="the update statement" />
      <p class="note">What it would have detected in the chunks so far:</p>
      <${Copyable} code=${backtestCommand(id, changed)} what="the backtest command" />
    `;
  }
}

/** @param {{ answer: WhatIfAnswer, action: string }} props */
function Changes({ answer: { added, removed, kept, first }, action }) {
  return html`
    <p role="status">
      Of what holds now, <b>${formatCount(added)}</b> would be added,${' '}
      <b>${formatCount(removed)}</b> removed,${' '}<b>${formatCount(kept)}</b> kept.
      ${added + removed > first.length ? ' The first of each are shown.' : ''}
    </p>
    <${DataTable}
      caption=${`What other thresholds of ${action} would change`}
      hasHiddenCaption
      columns=${columns}
      rows=${first}
      keyOf=${(/** @type {WhatIfAnswer['first'][number]} */ row) => JSON.stringify([row.merchant_id, row.customer_id])}
      empty="Nothing would change."
    />
  `;
}
