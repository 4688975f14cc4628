/** The name of a chunk up to its number. */
export const CHUNK_STEM = 'chunk-';
/** What mechanism Y takes for a chunk, as in bankpulse.unseen_objects. */
const CHUNK_KEY = /\.csv(\.gz)?$/i;
const NO_CHUNK = /(^|\/)(_temporary\/|\._[^/]*$)/;
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

/** Whether mechanism Y takes an object of this key for a chunk. */
export function isChunkKey(key: string): boolean {
  return CHUNK_KEY.test(key) && !NO_CHUNK.test(key);
}

/** The order of a listing, and of the database's collation "C": that of the bytes in UTF-8. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
