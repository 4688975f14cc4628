import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { csv, useDetector, type LogLine } from '../support/detector.js';
import { isLargeDose } from '../support/dose.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { Command } from '../support/process.js';

const MIB = 1 << 20;
const TINY_OBJECTS = isLargeDose ? 10_000 : 40;
const PREFETCH_BYTES = (isLargeDose ? 32 : 8) * MIB;
const LARGE_BYTES = (isLargeDose ? 256 : 32) * MIB;
/** Y takes some 110 MiB before its first object; an object held in memory, and once more as it is staged, would be above. */
const RSS_LIMIT = (isLargeDose ? 256 : 192) * MIB;

/** About so many bytes of BankSim's shape: ten columns, quoted as there. Few pairs, so that its rows cost, not its state. */
function rowsOf(bytes: number, quote = "'"): Buffer {
  const row = (index: number) =>
    `${index % 180},${quote}C${1_000_000 + (index % 997)}${quote},'4','M','28007','M${index % 50}','28007','es_transportation',${index % 90}.25,0\n`;
  const block = Buffer.from(Array.from({ length: 10_000 }, (_, index) => row(index)).join(''));
  const header = 'step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud\n';
  return Buffer.concat([
    Buffer.from(header),
    Buffer.alloc(Math.floor(bytes / block.length) * block.length, block),
  ]);
}

const lineCount = (content: Buffer) => {
  let count = 0;
  for (let at = content.indexOf(10); at !== -1; at = content.indexOf(10, at + 1)) count++;
  return count;
};

describe('with much to do, mechanism Y', function () {
  this.timeout(isLargeDose ? 3_600_000 : 300_000);
  const current = useDetector();
  const { put, chunkKey, ledger } = current;
  let proxy: FaultProxy;

  before(async () => {
    proxy = await FaultProxy.start(current.s3.endpoint);
  });
  beforeEach(() => proxy.reset());
  after(() => proxy.stop());

  /** The most memory the process has had so far, in bytes; undefined where the system does not tell. */
  async function peakRss(pid: number): Promise<number | undefined> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return peak === undefined ? undefined : Number(peak) * 1024;
  }

  /**
   * Lets a process of its own apply what is there, and looks on: at its memory, and at how many bytes were delivered to
   * it of objects that it had not said to be applied.
   */
  async function detectAll(sizes: ReadonlyMap<string, number>) {
    const command = Command.start(['detect', '--once'], {
      ...current.environment(),
      AWS_ENDPOINT_URL_S3: proxy.endpoint,
      PREFETCH_BYTES: String(PREFETCH_BYTES),
    });
    const applied = new Set<string>();
    let delivered = 0;
    let ahead = 0;
    let rest = '';
    command.child.stderr!.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((line) => line.includes('"chunk applied"'))) {
        const { key = '' } = JSON.parse(line) as LogLine;
        applied.add(key);
        delivered -= sizes.get(key) ?? expect.fail(`${key} was never put`);
      }
    });
    proxy.onDelivered = (_key, bytes) => {
      delivered += bytes;
      ahead = Math.max(ahead, delivered);
    };
    const begun = performance.now();
    let rss: number | undefined;
    let isOver = false;
    void command.ended.then(() => (isOver = true));
    while (!isOver) {
      rss = (await peakRss(command.child.pid!)) ?? rss;
      await Promise.race([command.ended, new Promise((done) => setTimeout(done, 50))]);
    }
    const { code, stderr } = await command.ended;
    expect(code, stderr.slice(-2000)).to.equal(0);
    const seconds = (performance.now() - begun) / 1000;
    process.stderr.write(
      `        ${sizes.size} objects in ${seconds.toFixed(1)} s; at most ${rss && Math.round(rss / MIB)} MiB of memory, ` +
        `${(ahead / MIB).toFixed(1)} MiB delivered and not yet applied\n`,
    );
    if (rss === undefined)
      process.stderr.write('        memory not checked: this system has no /proc/PID/status\n');
    else expect(rss, 'resident memory').to.be.below(RSS_LIMIT);
    return { ahead, seconds };
  }

  /** Puts objects, some at a time; their sizes. */
  async function putAll(
    objects: Iterable<[name: string, content: Buffer | string]>,
  ): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    const batch: Promise<void>[] = [];
    for (const [name, content] of objects) {
      sizes.set(chunkKey(name), Buffer.byteLength(content));
      batch.push(put(name, content));
      if (batch.length === 16) await Promise.all(batch.splice(0));
    }
    await Promise.all(batch);
    return sizes;
  }

  it(`applies a backlog of ${TINY_OBJECTS} objects in order, with little memory`, async () => {
    const sizes = await putAll(
      (function* () {
        // not padded, so that their order is not that of the listing
        for (let number = 1; number <= TINY_OBJECTS; number++)
          yield [`chunk_${number}.csv`, csv(`C${number % 100},F,M${number % 7},1`, 'C1,M,M1,x')] satisfies [
            string,
            string,
          ];
      })(),
    );
    await detectAll(sizes);
    const chunks = await ledger();
    expect(chunks.map(({ object_number }) => object_number)).to.deep.equal(
      Array.from({ length: TINY_OBJECTS }, (_, index) => index + 1),
    );
    expect(chunks.every(({ chunk_no, object_number }) => chunk_no === object_number)).to.equal(true);
    expect(chunks.every(({ row_count, rejected_count }) => row_count === 1 && rejected_count === 1)).to.equal(
      true,
    );
  });

  it('reads no more ahead than PREFETCH_BYTES beside the object in hand, with little memory', async () => {
    const content = rowsOf((5 / 32) * PREFETCH_BYTES);
    const sizes = await putAll(
      Array.from({ length: isLargeDose ? 48 : 13 }, (_, index) => [`chunk_${index + 1}.csv`, content]),
    );
    const { ahead } = await detectAll(sizes);
    // beside what is read ahead there is one chunk being staged, one being applied, and one whose line is on its way here
    expect(ahead).to.be.below(PREFETCH_BYTES + 3 * content.length);
    expect(ahead).to.be.above(PREFETCH_BYTES / 2);
    expect((await ledger()).map(({ row_count }) => row_count)).to.deep.equal(
      Array<number>(sizes.size).fill(lineCount(content) - 1),
    );
  });

  const large: Record<string, () => [name: string, content: Buffer]> = {
    [`an object of ${LARGE_BYTES / MIB} MiB`]: () => ['chunk_1.csv', rowsOf(LARGE_BYTES)],
    ...(isLargeDose && {
      'an object of 64 MiB that only the careful way can read': () => ['chunk_1.csv', rowsOf(64 * MIB, '"')],
      'an object of 256 MiB, packed': () => ['chunk_1.csv.gz', rowsOf(LARGE_BYTES)],
      'an object of 30 MiB that only the careful way can read': () => ['chunk_1.csv', rowsOf(30 * MIB, '"')],
    }),
  };
  for (const [what, make] of Object.entries(large)) {
    it(`applies ${what} with little memory, and a small one beside it`, async () => {
      const [name, content] = make();
      const rows = lineCount(content) - 1;
      const sizes = await putAll([
        [name, name.endsWith('.gz') ? gzipSync(content, { level: 1 }) : content],
        ['chunk_2.csv', csv('C1,F,M1,1')],
      ]);
      await detectAll(sizes);
      expect(
        (await ledger()).map(({ row_count, rejected_count }) => [row_count, rejected_count]),
      ).to.deep.equal([
        [rows, 0],
        [1, 0],
      ]);
    });
  }
});
