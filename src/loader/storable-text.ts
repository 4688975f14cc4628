import { isUtf8 } from 'node:buffer';

/** rejected_rows keeps this much of a row. */
const MAX_CHARACTERS = 1000;
/** A character has at most 4 bytes, so the first 1,000 characters lie within these bytes. */
const MAX_BYTES = MAX_CHARACTERS * 4;

/**
 * Bytes as text that PostgreSQL can store, at most 1,000 characters. Bytes that are not UTF-8, and NUL, become `\xNN`.
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

/** The length of a character in bytes, by its first byte. */
function lengthBy(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** Counts characters as PostgreSQL does, not UTF-16 units, so that a surrogate pair is never cut in two. */
function firstCharacters(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text;
  return [...text.slice(0, MAX_CHARACTERS * 2)].slice(0, MAX_CHARACTERS).join('');
}
