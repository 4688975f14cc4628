import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { pipelineEvents, type Service } from '../events.js';
import type { Logger } from '../log.js';

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5000;

const NAMES: Record<Service, string> = { database: 'the database', object_store: 'the object store' };

export interface RetryOptions {
  log: Logger;
  /** Ends the retrying, also during a pause: `retryForever` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** True for errors that may pass by themselves; any other error is thrown at once. */
  isTransient: (error: unknown) => boolean;
  /** How often the log says that the trouble goes on. Default: REMIND_MS. */
  remindMs?: number | undefined;
}

/** Trouble that goes on is said again after so long, with its reason of then: who reads the log later must find it. */
const REMIND_MS = 60_000;

/** If the service takes longer for an answer, it is in trouble, whatever comes of the answer. */
export const ANSWER_MS = 5000;

/** The calls that one try makes. What they are told tells since when the service has not answered. */
export interface Answers {
  /** Waits for an answer that may take so long. */
  waitFor<Answer>(answer: Promise<Answer>, ms?: number): Promise<Answer>;
  /** A part of a long answer has come. */
  sign(): void;
}

/** One try of the work. */
export interface Attempt {
  /** The pause before it, in milliseconds; 0 before the first. */
  pausedMs: number;
  answers: Answers;
  /** Long-running work calls it when the service works: the trouble is over, and the next pause is short again. */
  works: () => void;
}

/**
 * Repeats `work` until it succeeds, and pauses after each transient error: 100 ms at first, then twice as long each
 * time, up to 5 s. The log says that the service is in trouble, also when it does not answer, says it again each minute, and
 * says once that it works again, with the time from the first call without an answer. Work that succeeded counts, even if the signal was aborted
 * meanwhile.
 * @throws every error that is not transient; the signal's reason.
 */
export async function retryForever<Result>(
  service: Service,
  { log, signal, isTransient, remindMs }: RetryOptions,
  work: (attempt: Attempt) => Promise<Result>,
): Promise<Result> {
  const trouble = new Trouble(service, log, remindMs);
  let failures = 0;
  let pausedMs = 0;
  const works = () => {
    failures = 0;
    trouble.hasFailed = false;
    trouble.end({ works: true });
  };
  try {
    for (;;) {
      signal?.throwIfAborted();
      const answers = new WatchedAnswers(trouble);
      try {
        const result = await work({ pausedMs, answers, works });
        works();
        return result;
      } catch (error) {
        if (!isTransient(error)) throw error;
        signal?.throwIfAborted();
        pipelineEvents.publish('retried', service);
        trouble.hasFailed = true;
        trouble.begin(messageOf(error), answers.silentSince);
      } finally {
        answers.isOver = true;
      }
      // half of the pause is random, so that many callers do not retry at the same moment
      pausedMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
      await sleep(pausedMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  } finally {
    trouble.end({ works: false });
  }
}

/** The calls of one try. */
class WatchedAnswers implements Answers {
  /** Since when there has been no answer; after an answer it is the time of that. */
  silentSince = performance.now();
  /** Whether the try is over: what it still waits for says nothing any more. */
  isOver = false;
  #waiting = 0;

  constructor(private readonly trouble: Trouble) {}

  async waitFor<Answer>(answer: Promise<Answer>, ms = ANSWER_MS): Promise<Answer> {
    const since = performance.now();
    if (this.#waiting++ === 0) this.silentSince = since;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = !this.isOver;
      if (isLate) this.trouble.begin(`no answer for ${Number((ms / 1000).toFixed(1))} s`, since);
    }, ms);
    try {
      const result = await answer;
      this.sign();
      // once a try has failed, only the work itself says that the service works
      if (isLate && !this.trouble.hasFailed) this.trouble.end({ works: true });
      return result;
    } finally {
      this.#waiting--;
      clearTimeout(timer);
    }
  }

  sign(): void {
    this.silentSince = performance.now();
  }
}

/** By service, the calls in trouble, since when the first of them was, and why: several at once make one message in the log. */
const troubles = new Map<
  Service,
  { calls: number; since: number; reason: string; reminding: NodeJS.Timeout }
>();

/** Whether a call to the service is not answered, or has failed and is being retried. */
export function isInTrouble(service: Service): boolean {
  return troubles.has(service);
}

/** Reports, for one call, that the service is in trouble and that the trouble is over. */
class Trouble {
  /** Whether a try has failed since the service last worked. */
  hasFailed = false;
  #isOn = false;

  constructor(
    private readonly service: Service,
    private readonly log: Logger,
    private readonly remindMs = REMIND_MS,
  ) {}

  /** An attempt failed, and another will follow, or it is not answered. `since`: on the clock of `performance.now()`. */
  begin(reason: string, since: number): void {
    const all = troubles.get(this.service);
    if (all) {
      all.reason = reason;
      all.since = Math.min(all.since, since);
      if (!this.#isOn) all.calls++;
      this.#isOn = true;
      return;
    }
    this.#isOn = true;
    const reminding = setInterval(() => this.#remind(), this.remindMs).unref();
    troubles.set(this.service, { calls: 1, since, reason, reminding });
    pipelineEvents.publish('troubleBegan', this.service);
    this.log.warn({ reason }, `${NAMES[this.service]} is in trouble; trying again until it works`);
  }

  #remind(): void {
    const { since, reason } = troubles.get(this.service)!;
    const seconds = Math.round((performance.now() - since) / 1000);
    this.log.warn(
      { reason, seconds },
      `${NAMES[this.service]} is still in trouble; trying again until it works`,
    );
  }

  /** The call works, or is given up. Does nothing if there was no trouble. */
  end({ works }: { works: boolean }): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    const all = troubles.get(this.service)!;
    if (--all.calls > 0) return;
    clearInterval(all.reminding);
    troubles.delete(this.service);
    pipelineEvents.publish('troubleEnded', this.service);
    const ms = Math.round(performance.now() - all.since);
    if (works) this.log.info({ ms }, `${NAMES[this.service]} works again`);
  }
}
