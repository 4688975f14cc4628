import { Component, html } from '/html.js';

/**
 * Code with a button that copies it.
 * @typedef {{ code: string, what: string }} Props
 * @extends {Component<Props, { said: string }>}
 */
export class Copyable extends Component {
  state = { said: '' };
  /** @type {HTMLElement | null} */
  #place = null;

  /** @param {Props} before */
  componentDidUpdate(before) {
    if (before.code !== this.props.code && this.state.said !== '') this.setState({ said: '' });
  }

  copy = async () => {
    try {
      await navigator.clipboard.writeText(this.props.code);
      this.setState({ said: 'Copied.' });
    } catch {
      // without TLS, browsers give the clipboard to pages on loopback only
      getSelection()?.selectAllChildren(/** @type {HTMLElement} */ (this.#place));
      this.setState({ said: 'It is selected: copy it with Ctrl+C.' });
    }
  };

  render() {
    const { code, what } = this.props;
    return html`<div class="copyable">
      <code ref=${(/** @type {any} */ place) => (this.#place = place)}>${code}</code>
      <button type="button" aria-label=${`Copy ${what}`} onClick=${this.copy}>Copy</button>
      <span role="status">${this.state.said}</span>
    </div>`;
  }
}
