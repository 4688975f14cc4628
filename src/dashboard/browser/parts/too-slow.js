import { html } from '/html.js';
import { Copyable } from '/parts/copyable.js';

/** Instead of an answer for which the page's queries have too little time. @param {{ statement: string }} props */
export function TooSlow({ statement }) {
  return html`<p role="status">This takes longer than 2 s here; ask in psql:</p>
    <${Copyable} code=${statement} what="the query" />`;
}
