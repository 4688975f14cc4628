/** What stands before the number. */
export const CHUNK_STEM = 'chunk-';
const CHUNK_NAME = /^chunk-(\d{8,15})\.csv$/;

/** What a chunk is called below `CHUNKS_PREFIX`. */
export function chunkName(number: number): string {
  return `${CHUNK_STEM}${String(number).padStart(8, '0')}.csv`;
}

/** The number of the chunk that mechanism X calls so; undefined for any other name. */
export function chunkNumber(name: string): number | undefined {
  const digits = CHUNK_NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
