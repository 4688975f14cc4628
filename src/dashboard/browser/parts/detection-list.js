import { conditionOf, formatCount, formatMeasure, formatTime } from '/format.js';
import { html } from '/html.js';
import { linkTo } from '/route.js';

/** @typedef {import('../../payloads.js').Detection} Detection */
/** @typedef {import('../../payloads.js').DetectionNow} DetectionNow */

/**
 * Detections and the reason of each. Screen readers read out what is added to a live list.
 * @param {{ detections: Detection[], patternIds: string[], isLive?: boolean, now?: Map<number, DetectionNow>, label: string, empty: string }} props
 */
export function DetectionList({ detections, patternIds, isLive, now, label, empty }) {
  return html`
    <ol
      class="detections"
      aria-label=${label}
      aria-live=${isLive ? 'polite' : undefined}
      aria-relevant=${isLive ? 'additions' : undefined}
    >
      ${detections.length === 0 ? html`<li class="empty" key="none">${empty}</li>` : null}
      ${detections.map(
        (detection) => html`
          <li key=${detection.detection_id} data-detection=${detection.detection_id}>
            <span class=${`badge series-${patternIds.indexOf(detection.pattern_id) + 1}`}>
              ${detection.action_type}<span class="unseen">, ${detection.pattern_id}</span>
            </span>
            <p class="reason">${detection.reason_text}</p>
            ${nowOf(detection, now?.get(detection.detection_id))}
            <div class="about">
              <span>${detection.pattern_id}</span>
              <a href=${linkTo('merchant', detection.merchant_id)}>${detection.merchant_id}</a>
              ${
                detection.customer_id === ''
                  ? null
                  : html`<a href=${linkTo('customer', detection.customer_id)}>${detection.customer_id}</a>`
              }
              <span>chunk ${formatCount(detection.chunk_no)}</span>
              <time datetime=${detection.detected_at}>${formatTime(detection.detected_at)}</time>
              ${
                detection.thresholds === null
                  ? null
                  : html`<details class="judged">
                      <summary>Thresholds</summary>
                      ${Object.entries(detection.thresholds)
                        .map(([name, value]) => `${conditionOf(name)} ${formatMeasure(name, value)}`)
                        .join('; ')}
                    </details>`
              }
            </div>
          </li>
        `,
      )}
    </ol>
  `;
}

/** What holds now, beside the reason of then. @param {Detection} detection @param {DetectionNow | undefined} now */
function nowOf({ reason_text }, now) {
  if (!now) return null;
  if (now.reason_text === null) return html`<p class="reason today">It does not hold any more.</p>`;
  return html`<p class="reason today">
    ${now.reason_text === reason_text ? 'It holds now, with the same values.' : `It holds now: ${now.reason_text}`}
  </p>`;
}
