import { setTimeZone } from '/format.js';
import { Component, html } from '/html.js';
import { Live } from '/event-source.js';
import { loadParts } from '/pattern-parts.js';
import { currentRoute } from '/route.js';
import { Banner } from '/parts/banner.js';
import { Header } from '/parts/header.js';
import { CustomerPage } from '/pages/customer.js';
import { FilePage } from '/pages/file.js';
import { FilesPage } from '/pages/files.js';
import { MerchantPage } from '/pages/merchant.js';
import { MerchantsPage } from '/pages/merchants.js';
import { Overview } from '/pages/overview.js';
import { PatternsPage } from '/pages/patterns.js';
import { ProblemsPage } from '/pages/problems.js';
import { UnknownPage } from '/pages/unknown.js';

/** @typedef {import('/route.js').Route} Route */
/** @typedef {import('/event-source.js').LiveData} LiveData */

/** @type {Record<string, { component: any, title: (route: Route) => string }>} */
const pages = {
  overview: { component: Overview, title: () => 'Overview' },
  merchants: { component: MerchantsPage, title: () => 'Merchants' },
  merchant: { component: MerchantPage, title: ({ id }) => `Merchant ${id}` },
  customer: { component: CustomerPage, title: ({ id }) => `Customer ${id}` },
  patterns: { component: PatternsPage, title: () => 'Patterns' },
  files: { component: FilesPage, title: () => 'Files' },
  file: { component: FilePage, title: ({ id }) => `File ${id}` },
  problems: { component: ProblemsPage, title: () => 'Rejected rows and quarantine' },
  unknown: { component: UnknownPage, title: () => 'Not found' },
};

/** @extends {Component<{}, { route: Route, live: LiveData }>} */
export class App extends Component {
  state = { route: currentRoute(), live: /** @type {LiveData} */ ({ isConnected: true }) };

  componentDidMount() {
    this.nameDocument();
    new Live(async (live) => {
      setTimeZone(live.page?.timeZone);
      await loadParts(live.patterns ?? []);
      this.setState({ live });
    }).start();
    addEventListener('hashchange', () => {
      this.setState({ route: currentRoute() }, () => {
        this.nameDocument();
        scrollTo(0, 0);
        // for keyboard and screen reader: the new page begins at its heading
        document.querySelector('h1')?.focus();
      });
    });
  }

  nameDocument() {
    document.title = `${this.page().title(this.state.route)} · BankPulse`;
  }

  page() {
    return /** @type {(typeof pages)[string]} */ (pages[this.state.route.page] ?? pages.unknown);
  }

  render() {
    const { route, live } = this.state;
    const { component: Page, title } = this.page();
    return html`
      <a class="skip" href="#main" onClick=${skipToMain}>Skip to content</a>
      <${Header} page=${route.page} live=${live} />
      <main id="main" tabindex="-1">
        <${Banner} live=${live} />
        <h1 tabindex="-1">${title(route)}</h1>
        <${Page} key=${`${route.page}/${route.id}`} id=${route.id} live=${live} />
      </main>
    `;
  }
}

/** Only moves the focus: the part of the address behind # names a page. @param {Event} event */
function skipToMain(event) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
