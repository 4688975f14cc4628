import { html } from '/html.js';
import { linkTo } from '/route.js';

export function UnknownPage() {
  return html`<p>There is no such page. <a href=${linkTo('overview')}>To the overview</a></p>`;
}
