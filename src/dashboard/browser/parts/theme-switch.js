import { Component, html } from '/html.js';

const system = matchMedia('(prefers-color-scheme: dark)');

/** Whether it is dark now: by choice, or as the system has it. */
function isDarkNow() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : system.matches;
}

/** What draws by itself, as charts do, listens to this event of the document. */
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
      // it holds for this visit, then
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
