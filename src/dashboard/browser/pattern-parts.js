/** @typedef {import('../payloads.js').Pattern} Pattern */

/** @type {Map<string, any>} */
const modules = new Map();

/** Loads the modules of the patterns that have a part. @param {Pattern[]} patterns */
export async function loadParts(patterns) {
  for (const { part } of patterns) {
    if (part === null || modules.has(part)) continue;
    try {
      modules.set(part, await import(`/patterns/${part}.js`));
    } catch {
      // the pages work without it; it is tried again with the next change
    }
  }
}

/**
 * The parts that are loaded and have data, with what each of their functions gets.
 * @param {Pattern[]} patterns @param {Record<string, unknown>} data
 */
export function partsOf(patterns, data) {
  return patterns.flatMap((pattern) => {
    const name = pattern.part;
    const module = name === null ? undefined : modules.get(name);
    return name === null || !module || data[name] === undefined
      ? []
      : [{ module, props: { pattern, data: data[name] } }];
  });
}
