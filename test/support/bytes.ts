// Files are written in tests as "binary" strings, one character for each byte, so that they can hold what is not UTF-8.

/** Text as the bytes of its UTF-8. */
export const utf8 = (text: string) => Buffer.from(text).toString('latin1');
export const bytesOf = (binary: string) => Buffer.from(binary, 'latin1');

export const MARK = '\xef\xbb\xbf';
export const HEADER = 'customer,gender,merchant,amount';
/** These rows below a header of the four columns alone. */
export const fileOf = (...rows: string[]) => [HEADER, ...rows].map((row) => `${utf8(row)}\n`).join('');

/** A file in blocks of these sizes, taken in turn. */
// eslint-disable-next-line @typescript-eslint/require-await -- a source is an async iterable
export async function* blocksOf(file: string, sizes: readonly number[] = [Infinity]): AsyncGenerator<Buffer> {
  const bytes = bytesOf(file);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
