import { Component, h, render } from '/vendor/preact.js';
import htm from '/vendor/htm.js';

/** Templates: `${values}` become text or attributes, never markup. */
export const html = htm.bind(h);
export { Component, render };
