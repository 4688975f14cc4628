/** @typedef {import('../payloads.js').Sections} Sections */
/** @typedef {Partial<Sections> & { isConnected: boolean }} LiveData */

const sections = /** @type {const} */ ([
  'database',
  'progress',
  'patterns',
  'chunks',
  'chunkDetections',
  'newest',
]);
/** A short break of the connection is not worth a banner, in milliseconds. */
const PATIENCE_MS = 1500;

/**
 * What the server tells of the pipeline, as it changes. The stream is let go of while the page is hidden, and the
 * browser connects again by itself after a break.
 */
export class Live {
  /** @type {LiveData} */
  data = { isConnected: true };
  /** @type {EventSource | undefined} */
  #source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isDue = false;
  #onChange;

  /** @param {(data: LiveData) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  start() {
    document.addEventListener('visibilitychange', () => this.#open());
    this.#open();
  }

  #open() {
    if (document.hidden) {
      this.#source?.close();
      this.#source = undefined;
      return;
    }
    if (this.#source) return;
    const source = new EventSource('/events');
    this.#source = source;
    source.onopen = () => {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#set({ isConnected: true });
    };
    source.onerror = () => {
      this.#timer ??= setTimeout(() => this.#set({ isConnected: false }), PATIENCE_MS);
      // the browser gives up when it was answered anything but a stream
      if (source.readyState !== EventSource.CLOSED) return;
      this.#source = undefined;
      setTimeout(() => this.#open(), PATIENCE_MS);
    };
    for (const section of sections) {
      source.addEventListener(section, (event) => this.#set({ [section]: JSON.parse(event.data) }));
    }
  }

  /** Sections that come together make one change. @param {Partial<LiveData>} change */
  #set(change) {
    this.data = { ...this.data, ...change };
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      this.#onChange(this.data);
    }, 0);
  }
}
