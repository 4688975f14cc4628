import { isUtf8 } from 'node:buffer';

/** As much of a rejected row as rejected_rows keeps. */
const MAX_CHARACTERS = 1000;

/**
 * Bytes as text that PostgreSQL can hold, at most 1,000 characters: bytes that are not UTF-8, and NUL, are written
 * `\xNN`.
 */
export function storableText(bytes: Buffer): string {
  // no character is longer than 4 bytes, so nothing behind these can be among the first 1,000
  const head = bytes.subarray(0, MAX_CHARACTERS * 4);
  if (head.length === bytes.length && isUtf8(head) && !head.includes(0))
    return firstCharacters(head.toString());
  let text = '';
  for (let at = 0; at < head.length && text.length < MAX_CHARACTERS * 2;) {
    const length = [1, 2, 3, 4].find(
      (bytesLong) => isUtf8(head.subarray(at, at + bytesLong)) && at + bytesLong <= head.length,
    );
    if (length === undefined || head[at] === 0) {
      text += `\\x${head[at]!.toString(16).padStart(2, '0').toUpperCase()}`;
      at += 1;
    } else {
      text += head.toString('utf8', at, at + length);
      at += length;
    }
  }
  return firstCharacters(text);
}

/** By characters as PostgreSQL counts them, not by UTF-16 units: a pair is never cut in two. */
function firstCharacters(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : [...text].slice(0, MAX_CHARACTERS).join('');
}
