import { html } from '/html.js';

/** Says when what is shown is not what is. @param {{ live: import('/event-source.js').LiveData }} props */
export function Banner({ live }) {
  const text = !live.isConnected
    ? 'BankPulse does not answer: it has ended, or cannot be reached. What you see is the last that was known; the page goes on by itself.'
    : live.database?.isAway
      ? 'The database does not answer. What you see is the last that was known; the page goes on by itself.'
      : '';
  return html`<div role="status" class=${text ? 'banner' : ''}>${text}</div>`;
}
