/** First bytes of what is no CSV file, or none that is read, in Latin-1. */
const FIRST_BYTES: readonly [bytes: RegExp, format: string][] = [
  [/^(\xff\xfe|\xfe\xff)/, 'UTF-16'],
  [/^PK\x03\x04/, 'a ZIP archive or an Excel workbook'],
  [/^\xd0\xcf\x11\xe0/, 'an Excel workbook'],
  [/^\x1f\x8b/, 'gzip within gzip'],
  [/^BZh[1-9]/, 'packed with bzip2'],
  [/^\x28\xb5\x2f\xfd/, 'packed with zstd'],
  [/^\xfd7zXZ/, 'packed with xz'],
  [/^\x78[\x01\x5e\x9c\xda]/, 'packed with zlib'],
  [/^PAR1/, 'Parquet'],
  [/^Obj\x01/, 'Avro'],
  [/^ORC/, 'ORC'],
  [/^%PDF-/, 'PDF'],
  [/^\s*[[{]\s*(["{[\]}]|$)/, 'JSON'],
  [/^\s*<(\?xml|!doctype|[a-z]+[\s>])/i, 'XML or HTML'],
];

/** The format of a file that begins with these bytes and has no CSV header that can be used; undefined: unknown. */
export function formatOf(start: Buffer): string | undefined {
  const text = start.subarray(0, 100).toString('latin1');
  return FIRST_BYTES.find(([bytes]) => bytes.test(text))?.[1];
}
