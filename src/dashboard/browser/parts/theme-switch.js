import { Component, html } from '/html.js';

const system = matchMedia('(prefers-color-scheme: dark)');

/** Whether the theme is dark now: the reader's choice, or else the system's. */
function isDarkNow() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : system.matches;
}

/** An event of the document. Charts, whose canvas the style sheet does not reach, draw themselves again. */
export const THEME_CHANGED = 'theme-changed';

/** @extends {Component<{}, { isDark: boolean }>} */
export class ThemeSwitch extends Component {
  state = { isDark: isDarkNow() };

  componentDidMount() {
    system.addEventListener('change', () => this.update());
  }

  update() {
    this.setState({ isDark: isDarkNow() });
    document.dispatchEvent(new Event(THEME_CHANGED));
  }

  change = () => {
    const chosen = isDarkNow() ? 'light' : 'dark';
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem('theme', chosen);
    } catch {
      // storage may be forbidden: then the choice lasts until the page is closed
    }
    this.update();
  };

  render() {
    return html`<button
      class="theme"
      type="button"
      aria-label="Dark colors"
      aria-pressed=${String(this.state.isDark)}
      onClick=${this.change}
    >
      <span aria-hidden="true">${this.state.isDark ? '☾' : '☀'}</span>
    </button>`;
  }
}
