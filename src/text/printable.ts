/** Characters that control a terminal, end a line, or change the direction of the text around them. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/gu;

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Makes text, such as a key from a bucket, safe for a terminal: harmless characters on one line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** The same for a line of JSON, whose value does not change: only strings hold such characters. Keeps the last LF. */
export function printableJson(line: string): string {
  return line.replace(UNPRINTABLE, (character) => (character === '\n' ? character : escaped(character)));
}

/** Doubles the backslashes of escapes in a line of JSON, so that the parsed strings still have them, and are printable. */
export function keepEscapes(line: string): string {
  return line.replace(/\\(.)/g, (escape, character: string) =>
    '"\\/'.includes(character) ? escape : `\\\\${character}`,
  );
}
