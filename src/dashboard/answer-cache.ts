/** An answer is cached for this many times as long as it took: its query runs at most a thirtieth of the time. */
const TTL_PER_COST = 30;
const MIN_MS = 1000;
const MAX_ENTRIES = 200;

interface Entry {
  answer: Promise<unknown>;
  /** On the clock of `performance.now()`; Infinity until there is an answer. */
  expiresAt: number;
}

/**
 * A cache of answers for all clients. It bounds what a page costs the database, however many clients request it, and
 * however often.
 */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();

  async get<Answer>(key: string, make: () => Promise<Answer>): Promise<Answer> {
    const known = this.#entries.get(key);
    if (known && known.expiresAt > performance.now()) return known.answer as Promise<Answer>;
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
    const startedAt = performance.now();
    const answer = make();
    const entry: Entry = { answer, expiresAt: Infinity };
    this.#entries.set(key, entry);
    try {
      await answer;
      const now = performance.now();
      entry.expiresAt = now + Math.max(MIN_MS, TTL_PER_COST * (now - startedAt));
    } catch {
      // the next request tries again; this one gets the error from `answer`
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    }
    return answer;
  }
}
