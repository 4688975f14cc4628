import { html } from '/html.js';

/** Says so if the page shows old figures. @param {{ live: import('/event-source.js').LiveData }} props */
export function Banner({ live }) {
  const text = !live.isConnected
    ? 'BankPulse does not answer: it has ended, or cannot be reached. The page shows the last known state, and goes on by itself.'
    : live.database?.isAway
      ? 'The database does not answer. The page shows the last known state, and goes on by itself.'
      : live.progress?.run_state === 'not_listing'
        ? 'The detector cannot list the bucket: what waits there is not known. The log says more.'
        : live.progress?.run_state === 'rebuilding'
          ? 'The running state is being rebuilt (npm run rebuild). The detector stands by, and goes on afterwards.'
          : '';
  return html`<div role="status" class=${text ? 'banner' : ''}>${text}</div>`;
}
