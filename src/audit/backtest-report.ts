import stringWidth from 'string-width';
import { printable } from '../text/printable.js';
import type { Backtest } from './backtest.js';
import type { BacktestDetection } from './audit-functions.js';

const CHANGES = ['added', 'removed', 'earlier', 'later', 'same'] as const;

/** Rows as aligned text: numbers to the right, names to the left. */
function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => stringWidth(String(row[column])))));
  return all.map((row) =>
    row
      .map((cell, column) => {
        const room = ' '.repeat(widths[column]! - stringWidth(String(cell)));
        return typeof rows[0]?.[column] === 'number' ? `${room}${cell}` : `${cell}${room}`;
      })
      .join('  ')
      .trimEnd(),
  );
}

function describeChange({ change, merchant_id, customer_id, chunk_no, other_chunk_no }: BacktestDetection) {
  const pair = [merchant_id, customer_id].filter((name) => name !== '').map(printable);
  const chunk =
    chunk_no === null || other_chunk_no === null
      ? `chunk ${chunk_no ?? other_chunk_no}`
      : `chunk ${other_chunk_no} instead of ${chunk_no}`;
  return [change, ...pair, ...(pair.length < 2 ? [''] : []), chunk];
}

/** The result of a backtest as text: a table of chunks, the totals, and every detection that changes. */
export function describeBacktest({ pattern, thresholds, chunks, detections }: Backtest): string {
  const tried = Object.entries(thresholds).map(([name, value]) => `${name}=${value}`);
  const counts = CHANGES.map(
    (change) => `${detections.filter((detection) => detection.change === change).length} ${change}`,
  );
  const changed = CHANGES.slice(0, -1).flatMap((change) =>
    detections.filter((detection) => detection.change === change).map(describeChange),
  );
  return [
    `${printable(pattern)} with ${tried.map(printable).join(' ')}`,
    '',
    ...table(
      ['chunk', 'detections', 'with these'],
      chunks.map((chunk) => [chunk.chunk_no, chunk.detection_count, chunk.other_detection_count]),
    ),
    '',
    counts.join(', '),
    ...(changed.length === 0
      ? []
      : ['', ...table(['change', 'merchant', 'customer', 'detected in'], changed)]),
  ].join('\n');
}
