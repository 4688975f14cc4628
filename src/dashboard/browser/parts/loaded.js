import { Component, html } from '/html.js';

/** The least time between two requests of the same address, in milliseconds, however fast chunks come. */
const SHORTEST_PAUSE_MS = 2000;

/**
 * Requests `url` and shows the answer with its child, a function; requests it again when `version` has changed. The last
 * answer stays during a request, and after one that failed.
 * With `isShownBefore` the child is called before there is an answer, too, with undefined, and after a refusal.
 * @typedef {{ url: string, version: unknown, missing?: string, isShownBefore?: boolean, children: (data: any) => any }} Props
 * @extends {Component<Props, { data?: any, error?: string }>}
 */
export class Loaded extends Component {
  state = /** @type {{ data?: any, error?: string }} */ ({});
  #abort = new AbortController();
  #askedAt = -Infinity;
  /** @type {unknown} */
  #askedVersion;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  componentDidMount() {
    void this.ask();
  }

  /** @param {Props} before */
  componentDidUpdate(before) {
    if (before.url !== this.props.url) {
      this.#abort.abort();
      void this.ask();
    } else if (this.#askedVersion !== this.props.version) {
      const pause = this.#askedAt + SHORTEST_PAUSE_MS - performance.now();
      this.#timer ??= setTimeout(() => void this.ask(), Math.max(0, pause));
    }
  }

  componentWillUnmount() {
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  async ask() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#abort = new AbortController();
    this.#askedAt = performance.now();
    this.#askedVersion = this.props.version;
    const { signal } = this.#abort;
    try {
      const response = await fetch(this.props.url, { signal });
      const answer = await response.json();
      if (signal.aborted) return;
      if (response.ok) this.setState({ data: answer, error: undefined });
      else this.setState({ error: response.status === 404 ? this.props.missing : answer.error });
    } catch {
      if (signal.aborted) return;
      this.setState({ error: 'BankPulse does not answer.' });
    }
    if (this.state.error !== undefined) this.#askedVersion = undefined;
  }

  render() {
    const { data, error } = this.state;
    if (data !== undefined || this.props.isShownBefore) return this.props.children(data);
    return html`<p class="empty" role="status">${error ?? 'Loading …'}</p>`;
  }
}
