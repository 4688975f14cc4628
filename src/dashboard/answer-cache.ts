/** An answer stays good for so many times what it took to make: what pages cost is at most this share of the time. */
const TIMES_ITS_COST = 30;
const MIN_MS = 1000;
const MAX_ENTRIES = 200;

interface Entry {
  answer: Promise<unknown>;
  /** On the clock of `performance.now()`; Infinity while it is being made. */
  goodUntil: number;
}

/**
 * Answers shared by all who ask the same. The cost of a page to the database is bounded however often, and by however
 * many, it is asked for.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();

  async get<Answer>(key: string, make: () => Promise<Answer>): Promise<Answer> {
    const known = this.#entries.get(key);
    if (known && known.goodUntil > performance.now()) return known.answer as Promise<Answer>;
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
    const startedAt = performance.now();
    const answer = make();
    const entry: Entry = { answer, goodUntil: Infinity };
    this.#entries.set(key, entry);
    try {
      await answer;
      const now = performance.now();
      entry.goodUntil = now + Math.max(MIN_MS, TIMES_ITS_COST * (now - startedAt));
    } catch {
      // whoever asks next tries anew
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    }
    return answer;
  }
}
