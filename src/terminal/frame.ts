import { styleText } from 'node:util';
import cliTruncate from 'cli-truncate';
import stringWidth from 'string-width';
import { counted, readable } from '../text/numbers.js';
import { printable } from '../text/printable.js';
import type { NewestDetection, Progress } from './progress.js';

export interface Space {
  columns: number;
  rows: number;
  hasColors: boolean;
}

/** Longer actions are cut. */
const ACTION_COLUMNS = 24;
const BAR_COLUMNS = 24;
/** A narrower terminal has no room for the bar. */
const MIN_COLUMNS_FOR_BAR = 80;

/** A bar that is full at a share of 1. */
export function progressBar(share: number): string {
  const full = Math.floor(share * BAR_COLUMNS);
  return `[${'='.repeat(full)}${full < BAR_COLUMNS ? '>' : ''}`.padEnd(BAR_COLUMNS + 1) + ']';
}

/** The lines of the display, for X, for Y and for the detections, cut to the height and width of the terminal. */
export function frameOf(progress: Progress, { columns, rows, hasColors }: Space, now: number): string[] {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    hasColors ? styleText(format, text) : text;
  const bar = (rowsDone: number) => {
    const { sourceRows } = progress;
    if (sourceRows === undefined || rowsDone > sourceRows) return [];
    const share = sourceRows === 0 ? 1 : rowsDone / sourceRows;
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    return columns < MIN_COLUMNS_FOR_BAR ? [percent] : [`${style('cyan', progressBar(share))} ${percent}`];
  };
  const lines = [describeX(progress, bar, now), describeY(progress, bar, now), describeFound(progress)]
    .filter((parts) => parts.length > 0)
    .map(([who, ...parts]) => `${style('bold', who!.padEnd(2))} ${parts.join('  ')}`);
  const newest = progress.newest.map((detection) => `   ${describeDetection(detection, style)}`);
  // one line stays free for the cursor, one for the log above
  return [...lines, ...newest]
    .slice(0, Math.max(0, rows - 2))
    .map((line) => cut(line, Math.max(1, columns - 1)));
}

/** Cuts text to a width. A cut inside a cluster of emoji may leave text that is wider than before; then more is cut. */
function cut(text: string, columns: number): string {
  for (let limit = columns; limit > 0; limit--) {
    const shorter = cliTruncate(text, limit);
    if (stringWidth(shorter) <= columns) return shorter;
  }
  return '';
}

type Bar = (rowsDone: number) => string[];

const waitedFor = ({ inTrouble }: Progress) =>
  [...inTrouble].map((service) => `waiting for the ${service.replaceAll('_', ' ')}`);

function describeX(progress: Progress, bar: Bar, now: number): string[] {
  const { sourceRows, produced, producing, role } = progress;
  if (sourceRows === undefined) return [];
  const isDone = produced.rows >= sourceRows;
  return [
    'X',
    ...bar(produced.rows),
    isDone ? counted(sourceRows, 'row') : `${readable(produced.rows)} of ${counted(sourceRows, 'row')}`,
    isDone ? 'no more rows' : `${readable(producing.perSecond(now))} rows/s`,
    // with a Y, its line says so
    ...(role === undefined ? waitedFor(progress) : []),
  ];
}

function describeY(progress: Progress, bar: Bar, now: number): string[] {
  const { role, leader, applied, applying, lag, lagUntil } = progress;
  if (role === undefined) return [];
  const trouble = waitedFor(progress);
  if (role === 'standing_by') return ['Y', `standing by: ${leader} is at work`, ...trouble];
  if (!applied) return ['Y', ...(trouble.length > 0 ? trouble : ['starting'])];
  const waiting = lag?.oldestPendingAt ? Math.max(0, (Date.now() - lag.oldestPendingAt.getTime()) / 1000) : 0;
  const rate = applying.perSecond(now);
  const pace = rate === 0 && lag?.pendingCount === 0 ? 'waits for new chunks' : `${readable(rate)} rows/s`;
  return [
    'Y',
    ...bar(applied.rows),
    counted(applied.rows, 'row'),
    ...(trouble.length > 0 ? trouble : [pace]),
    ...(lag && now >= lagUntil ? ['lag unknown'] : []),
    ...(lag && now < lagUntil ? [`lag ${counted(lag.pendingCount, 'chunk')}, ${waiting.toFixed(1)} s`] : []),
  ];
}

function describeFound({ applied, files, chunkSeconds }: Progress): string[] {
  if (!applied) return [];
  const found = Object.entries(applied.detections).sort(([one], [other]) => (one < other ? -1 : 1));
  const total = found.reduce((sum, [, count]) => sum + count, 0);
  const patterns = found.map(([pattern, count]) => `${printable(pattern)} ${readable(count)}`).join(', ');
  return [
    '',
    `${counted(total, 'detection')}${patterns && ` (${patterns})`}`,
    counted(files, 'file'),
    ...(chunkSeconds === undefined ? [] : [`${readable(chunkSeconds * 1000)} ms a chunk`]),
  ];
}

function describeDetection(
  { action_type, reason_text }: NewestDetection,
  style: (format: Parameters<typeof styleText>[0], text: string) => string,
): string {
  const action = cut(printable(action_type), ACTION_COLUMNS).padEnd(10);
  return `${style('yellow', action)}  ${style('dim', printable(reason_text))}`;
}
