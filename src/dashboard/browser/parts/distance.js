import { NONE, formatCount } from '/format.js';
import { html } from '/html.js';

/** How far a merchant is from the transactions an upgrade needs. @param {{ merchant: import('../../payloads.js').Merchant }} props */
export function Distance({ merchant }) {
  const { transactions_to_go, merchant_transactions_above, transaction_count } = merchant;
  if (transactions_to_go === null || merchant_transactions_above === null) return NONE;
  if (transactions_to_go === 0) return html`<span class="passed">passed</span>`;
  return html`
    <progress max=${merchant_transactions_above + 1} value=${transaction_count} aria-hidden="true"></progress>
    ${formatCount(transactions_to_go)}
  `;
}
