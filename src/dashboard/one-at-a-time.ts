import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Runs work one after the other, in the order of the calls. After each follows a pause as long as it took, so together
 * they take at most half of the time, and one session.
 */
export class OneAtATime {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    let startedAt = 0;
    const result = this.#last.then(() => {
      startedAt = performance.now();
      return work();
    });
    const pause = () => sleep(performance.now() - startedAt, undefined, { ref: false });
    // an error is the caller's, who has `result`
    this.#last = result.then(pause, pause);
    return result;
  }
}
