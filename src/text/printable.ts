/** Characters that steer a terminal, end a line, or turn the direction of the text around them. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/gu;

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Text for a terminal: whatever a key from a bucket holds, it is printed as harmless characters on one line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same for a line of JSON, which stays the same JSON: what it leaves raw stands in strings. Keeps the last LF. */
export function printableJson(line: string): string {
  return line.replace(UNPRINTABLE, (character) => (character === '\n' ? character : escaped(character)));
}

/** Makes the escapes of a line of JSON part of its text: whoever parses it gets strings that are printable. */
export function keepEscapes(line: string): string {
  return line.replace(/\\(.)/g, (escape, character: string) =>
    '"\\/'.includes(character) ? escape : `\\\\${character}`,
  );
}
