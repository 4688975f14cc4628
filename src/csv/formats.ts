/** The first bytes, in hexadecimal digits, of what is no CSV file, or of one that is packed otherwise. */
const FIRST_BYTES: readonly [bytes: string, format: string][] = [
  ['fffe', 'UTF-16'],
  ['feff', 'UTF-16'],
  ['504b0304', 'a ZIP archive or an Excel workbook'],
  ['d0cf11e0', 'an Excel workbook'],
  ['1f8b', 'gzip within gzip'],
  ['425a68', 'packed with bzip2'],
  ['28b52ffd', 'packed with zstd'],
  ['fd377a585a', 'packed with xz'],
  ['789c', 'packed with zlib'],
  ['78da', 'packed with zlib'],
  ['50415231', 'Parquet'],
  ['4f626a01', 'Avro'],
  ['4f5243', 'ORC'],
  ['255044462d', 'PDF'],
];
const FIRST_WORDS: readonly [words: RegExp, format: string][] = [
  [/^\s*[[{]\s*(["{[\]}]|$)/, 'JSON'],
  [/^\s*<(\?xml|!doctype|[a-z]+[\s>])/i, 'XML or HTML'],
];

/** The format of a file that begins with these bytes and has no CSV header that can be used; undefined: unknown. */
export function formatOf(start: Buffer): string | undefined {
  const hex = start.subarray(0, 8).toString('hex');
  const words = start.subarray(0, 100).toString('latin1');
  return (
    FIRST_BYTES.find(([bytes]) => hex.startsWith(bytes))?.[1] ??
    FIRST_WORDS.find(([beginning]) => beginning.test(words))?.[1]
  );
}
