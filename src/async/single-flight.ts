/**
 * Work that runs beside the main loop, never twice at once: a start while it runs means once more afterwards. What it
 * throws is kept for the main loop.
 */
export class SingleFlight {
  #isWanted = false;
  #running: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  constructor(private readonly work: () => Promise<void>) {}

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  start(): void {
    this.#isWanted = true;
    if (!this.#failure) this.#running ??= this.#run();
  }

  /** Resolves when it rests. @throws what the work threw. */
  async settle(): Promise<void> {
    await this.#running;
    this.check();
  }

  /** @throws what the work threw. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWanted && !this.#failure) {
        this.#isWanted = false;
        await this.work();
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#running = undefined;
    }
  }
}
