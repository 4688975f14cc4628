import { printAudit, withAuditedPipeline } from './with-audited-pipeline.js';

/** `npm run verify`: replays the ledger and compares the results. @returns the exit code: 1 if anything differs. */
export function runVerify({ fromStart }: { fromStart: boolean }): Promise<number> {
  return withAuditedPipeline((options) => printAudit(options, { fromStart }));
}
