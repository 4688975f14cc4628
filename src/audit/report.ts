import type { Audit } from './audit.js';
import type { AuditTotals, Checkpoint } from './audit-functions.js';
import { readable } from '../text/numbers.js';
import { printable } from '../text/printable.js';

const many = (count: number, what: string) => `${readable(count)} ${what}`;

function describeCheckpoint({ chunk_no, unverified_chunk_no }: Checkpoint): string {
  const trust =
    unverified_chunk_no === null
      ? 'verified when it was taken'
      : unverified_chunk_no === chunk_no
        ? 'taken without verify'
        : `taken without verify up to chunk ${unverified_chunk_no}`;
  return `Begun at the checkpoint of chunk ${chunk_no} (${trust}): detections up to it are taken as given.`;
}

function describeFiles(totals: AuditTotals): string {
  return (
    `files       ${many(totals.file_count, 'read')}, ${many(totals.file_row_count, 'rows')}; ` +
    `${many(totals.unwritten_batches, 'not written yet')}, ${many(totals.unbatched_detections, 'detections')} in no batch yet`
  );
}

/** The result of an audit as text. Each difference is one line, because control characters in names are escaped. */
export function describeAudit(audit: Audit): string {
  const { differences, hasFiles, totals, unjudged, checkpoint, lastChunkNo } = audit;
  const lines = [
    `chunks      ${many(totals.chunk_count, 'replayed')}, ${many(totals.row_count, 'rows')}`,
    `detections  ${many(totals.judged_detections, 'judged again')}, ${many(totals.given_detections, 'taken as given')}`,
    hasFiles ? describeFiles(totals) : 'files       not compared',
    `state       ${many(totals.pair_count, 'pairs')} at ${many(totals.merchant_count, 'merchants')}`,
  ];
  if (checkpoint) lines.push(describeCheckpoint(checkpoint));
  for (const { first_chunk_no, last_chunk_no, because } of unjudged) {
    const [chunks, were] =
      first_chunk_no === last_chunk_no
        ? [`Chunk ${first_chunk_no}`, 'was']
        : [`Chunks ${first_chunk_no} to ${last_chunk_no}`, 'were'];
    lines.push(`${chunks} ${were} judged by ${because}: the detections are taken as given.`);
  }
  if (lastChunkNo < totals.last_chunk_no) {
    lines.push(
      `Chunks after ${lastChunkNo} cannot be replayed: their detections and the state are not compared.`,
    );
  }
  lines.push(
    differences.length === 0
      ? 'No difference.'
      : `${many(differences.length, differences.length === 1 ? 'difference' : 'differences')}:`,
  );
  return [...lines, ...differences.map(printable)].join('\n');
}
