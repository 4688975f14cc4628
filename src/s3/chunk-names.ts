/** The name of a chunk up to its number. */
export const CHUNK_STEM = 'chunk-';
const CHUNK_NAME = /^chunk-(\d{8,15})\.csv$/;

/** The name of a chunk below `CHUNKS_PREFIX`. */
export function chunkName(number: number): string {
  return `${CHUNK_STEM}${String(number).padStart(8, '0')}.csv`;
}

/** The number of the chunk to which mechanism X gives this name; undefined for any other name. */
export function chunkNumber(name: string): number | undefined {
  const digits = CHUNK_NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
