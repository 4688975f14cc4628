/**
 * Runs work beside the main loop, one run at a time: a start during a run requests one more run after it. An error ends
 * the runs; the main loop gets it from `check` or `settle`.
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

  /** Resolves when no run is under way. @throws the error that the work threw. */
  async settle(): Promise<void> {
    await this.#running;
    this.check();
  }

  /** @throws the error that the work threw. */
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
