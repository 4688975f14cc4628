/** @typedef {import('../payloads.js').Sections} Sections */
/** @typedef {Partial<Sections> & { isConnected: boolean }} LiveData */

const sections = /** @type {const} */ ([
  'page',
  'database',
  'progress',
  'patterns',
  'chunks',
  'chunkDetections',
  'newest',
]);
/** A connection that is lost for a shorter time, in milliseconds, is not shown in the banner. */
const PATIENCE_MS = 1500;

/**
 * Receives the state of the pipeline from the server as it changes. The stream is closed while the page is hidden. After
 * a lost connection the browser reconnects by itself.
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
      // the browser does not reconnect after an answer that is not a stream
      if (source.readyState !== EventSource.CLOSED) return;
      this.#source = undefined;
      setTimeout(() => this.#open(), PATIENCE_MS);
    };
    for (const section of sections) {
      source.addEventListener(section, (event) => this.#set({ [section]: JSON.parse(event.data) }));
    }
  }

  /** Sections that arrive together cause one call of `onChange`. @param {Partial<LiveData>} change */
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
