import { html } from '/html.js';
import { linkTo } from '/route.js';
import { ThemeSwitch } from '/parts/theme-switch.js';

const places = [
  { page: 'overview', name: 'Overview', also: [] },
  { page: 'merchants', name: 'Merchants', also: ['merchant', 'customer'] },
  { page: 'patterns', name: 'Patterns', also: [] },
  { page: 'files', name: 'Files', also: ['file'] },
  { page: 'problems', name: 'Rejected', also: [] },
];

const states = {
  none: 'No detector has worked yet',
  rebuilding: 'Being rebuilt',
  ended: 'Detector ended',
  silent: 'Detector silent',
  not_listing: 'Bucket not listed',
  working: 'Working',
  waiting: 'Waiting for chunks',
};

/** @param {{ page: string, live: import('/event-source.js').LiveData }} props */
export function Header({ page, live }) {
  const { progress, isConnected, database } = live;
  const isLive = isConnected && !database?.isAway && progress !== undefined;
  const state = isLive ? progress.run_state : 'away';
  return html`
    <header class="top">
      <a class="brand" href=${linkTo('overview')}
        ><img src="/icon.svg" alt="" width="28" height="28" />BankPulse</a
      >
      <nav aria-label="Pages">
        ${places.map(
          ({ page: place, name, also }) =>
            html`<a
              href=${linkTo(place)}
              aria-current=${page === place ? 'page' : also.includes(page) ? 'true' : undefined}
              >${name}</a
            >`,
        )}
      </nav>
      <span class=${`state state-${state}`}>${isLive ? states[progress.run_state] : 'Not connected'}</span>
      <${ThemeSwitch} />
    </header>
  `;
}
