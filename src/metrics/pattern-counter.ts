import { Counter, type Registry } from 'prom-client';

/**
 * Counts by pattern. A pattern that is added while the process runs may have its first detections before a scrape has
 * seen its 0, which Prometheus's increase() needs: these are shown from the second scrape on.
 */
export class PatternCounter {
  readonly #known = new Set<string>();
  /** Of the patterns whose 0 no scrape, or only one that is under way, has seen. */
  readonly #heldBack = new Map<string, { count: number; isZeroShown: boolean }>();
  readonly #counter: Counter<'pattern'>;

  constructor(options: { name: string; help: string; registers: Registry[] }) {
    const showHeldBack = () => this.#showHeldBack();
    this.#counter = new Counter({ ...options, labelNames: ['pattern'], collect: showHeldBack });
  }

  /** The process begins with this pattern. */
  begin(pattern: string): void {
    this.#known.add(pattern);
    this.#counter.inc({ pattern }, 0);
  }

  add(pattern: string, count: number): void {
    const heldBack = this.#heldBack.get(pattern);
    if (heldBack) {
      heldBack.count += count;
    } else if (this.#known.has(pattern)) {
      this.#counter.inc({ pattern }, count);
    } else {
      this.begin(pattern);
      this.#heldBack.set(pattern, { count, isZeroShown: false });
    }
  }

  /** At each scrape. */
  #showHeldBack(): void {
    for (const [pattern, heldBack] of this.#heldBack) {
      if (heldBack.isZeroShown) {
        this.#counter.inc({ pattern }, heldBack.count);
        this.#heldBack.delete(pattern);
      } else {
        heldBack.isZeroShown = true;
      }
    }
  }
}
