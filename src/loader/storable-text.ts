import { isUtf8 } from 'node:buffer';

/** As much of a rejected row as rejected_rows keeps. */
const MAX_CHARACTERS = 1000;
/** No character is longer than 4 bytes, so nothing behind these can be among the first 1,000. */
const MAX_BYTES = MAX_CHARACTERS * 4;

/**
 * Bytes as text that PostgreSQL can hold, at most 1,000 characters: bytes that are not UTF-8, and NUL, are written
 * `\xNN`.
 */
export function storableText(bytes: Buffer): string {
  let end = Math.min(bytes.length, MAX_BYTES);
  while (end < bytes.length && end > MAX_BYTES - 4 && (bytes[end]! & 0xc0) === 0x80) end--; // not inside a character
  const head = bytes.subarray(0, end);
  if (isUtf8(head) && !head.includes(0)) return firstCharacters(head.toString());
  let text = '';
  for (let at = 0; at < head.length && text.length < MAX_CHARACTERS * 2;) {
    const character = head.subarray(at, at + lengthBy(head[at]!));
    if (head[at] === 0 || !isUtf8(character)) {
      text += `\\x${head[at]!.toString(16).padStart(2, '0').toUpperCase()}`;
      at += 1;
    } else {
      text += character.toString();
      at += character.length;
    }
  }
  return firstCharacters(text);
}

/** How many bytes a character has, by its first. */
function lengthBy(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** By characters as PostgreSQL counts them, not by UTF-16 units: a pair is never cut in two. */
function firstCharacters(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text;
  return [...text.slice(0, MAX_CHARACTERS * 2)].slice(0, MAX_CHARACTERS).join('');
}
