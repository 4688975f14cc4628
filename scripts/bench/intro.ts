import type { SetUp } from './context.js';

const WHY = `BankPulse's benchmark.
What:   what a chunk of bank transactions costs from S3 to its detections, measured by the least that PostgreSQL must do
        with it: a bare COPY of its bytes into an unlogged table of ten columns, one commit per chunk.
Why:    everything else that happens to a chunk should cost little on top of that, and must not grow with the history.
Expect: ratios that differ by a tenth or two from run to run, single times by much more, both by more on a busy machine;
        what is compared is measured in turn, so that a busy machine slows both. Figures are medians; p99 of 60
        lies between the two slowest.`;

function inputText({ input }: SetUp): string {
  if (!input) return '';
  const source = input.is_generated ? 'generated' : 'of the files given';
  return `
        ${input.rows.toLocaleString('en-US')} rows (${source}) in ${input.chunks} chunks. CustomerImportance was loaded beforehand, which took
        ${input.importance_load_s.toFixed(1)} s.`;
}

/** What stands above all results. */
export function intro(setUp: SetUp): string {
  const settings = Object.entries(setUp.server_settings)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  return `${WHY}
Set-up: PostgreSQL ${setUp.postgresql}, ${setUp.object_store}, Node ${setUp.node}, ${setUp.cores} cores
        (${settings});
        databases "..._bench..." and the prefix ${setUp.prefix}, deleted afterwards.${inputText(setUp)}`;
}
