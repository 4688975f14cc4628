import { readFileSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';

const SHARED_MEMORY = '/dev/shm';
/** Chosen, not measured: max_wal_size lets PostgreSQL's log alone grow to 4 GiB. */
const NEEDED_BYTES = 6 * 1024 ** 3;

/** Whether Linux keeps the files of /dev/shm in memory, with room for those of a run, and starts programs from there. */
function isRoomy(): boolean {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const [, , type, options] =
      mounts.map((line) => line.split(' ')).find(([, at]) => at === SHARED_MEMORY) ?? [];
    if (type !== 'tmpfs' || options?.split(',').includes('noexec')) return false;
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    const limit = process.constrainedMemory() || Infinity; // 0 where nothing limits it
    return Math.min(bavail * bsize, freemem(), limit) >= NEEDED_BYTES;
  } catch {
    return false; // another system
  }
}

/**
 * Lets `tmpdir()` name a folder in memory. Each database of a test has 400 files, and a disk takes up to 0.3 s of
 * processor time to make them: ext4 passes over every inode that was freed in the last seconds.
 */
export function keepTemporaryFilesInMemory(): void {
  if (process.env.TMPDIR === undefined && isRoomy()) process.env.TMPDIR = SHARED_MEMORY;
}
