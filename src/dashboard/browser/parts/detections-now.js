import { html } from '/html.js';
import { DetectionList } from '/parts/detection-list.js';
import { Loaded } from '/parts/loaded.js';

/** @typedef {import('../../payloads.js').Detection} Detection */
/** @typedef {import('../../payloads.js').DetectionNow} DetectionNow */

/**
 * Detections, and beside the reason of each what holds now, as soon as that is known.
 * @param {{ of: Record<string, string>, version: unknown, detections: Detection[], patternIds: string[], label: string, empty: string }} props
 */
export function DetectionsNow({ of, version, ...list }) {
  if (list.detections.length === 0) return html`<${DetectionList} ...${list} />`;
  return html`<${Loaded} url=${`/api/now?${new URLSearchParams(of)}`} version=${version} isShownBefore>
    ${(/** @type {DetectionNow[] | import('../../payloads.js').TooSlow | undefined} */ answer) =>
      html`<${DetectionList}
        ...${list}
        now=${Array.isArray(answer) ? new Map(answer.map((row) => [row.detection_id, row])) : undefined}
      />`}
  <//>`;
}
