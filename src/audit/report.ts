import type { Audit } from './audit.js';
import { printable } from '../text/printable.js';

const number = new Intl.NumberFormat('en');
const many = (count: number, noun: string) => `${number.format(count)} ${noun}`;

/** The result of an audit as text. Each difference is one line, because control characters in names are escaped. */
export function describeAudit({ differences, totals, span, lastChunkNo, notJudged }: Audit): string {
  const lines = [
    `chunks      ${many(totals.chunk_count, 'replayed')}, ${many(totals.row_count, 'rows')}`,
    `detections  ${many(totals.judged_detections, 'judged again')}, ${many(totals.given_detections, 'taken as given')}`,
    `files       ${many(totals.file_count, 'read')}, ${many(totals.file_row_count, 'rows')}; ` +
      `${many(totals.unwritten_batches, 'not written yet')}, ${many(totals.unbatched_detections, 'detections')} in no batch yet`,
    `state       ${many(totals.pair_count, 'pairs')} at ${many(totals.merchant_count, 'merchants')}`,
  ];
  if (notJudged !== undefined) lines.push(`Detections were not judged again: ${notJudged}.`);
  else if (span && span.first_chunk_no > 1) {
    lines.push(
      `The rules changed ${span.rules_count === 2 ? 'once' : 'several times'}: chunks ${span.first_chunk_no} to ` +
        `${span.last_chunk_no} are judged by the present ones, detections before them taken as given.`,
    );
  }
  if (span && lastChunkNo < span.last_chunk_no) {
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
