import { Transform, finished, type Readable } from 'node:stream';
import { IncompleteBody } from './store-errors.js';

/** The source's bytes; `sign` is told of each block. Fails with `IncompleteBody` if the source fails, or ends with a length that is not whole. */
export function wholeBody(
  source: Readable,
  key: string,
  {
    isWhole,
    expected,
    sign,
  }: { isWhole: (length: number) => boolean; expected: number | undefined; sign: () => void },
): Readable {
  let received = 0;
  const incomplete = (cause?: unknown) => {
    const of = expected === undefined ? '' : ` of ${expected}`;
    return new IncompleteBody(`only ${received}${of} bytes of ${key} arrived`, { cause });
  };
  const body = new Transform({
    transform(block: Buffer, _encoding, done) {
      received += block.length;
      sign();
      done(null, block);
    },
    flush(done) {
      done(isWhole(received) ? null : incomplete());
    },
  });
  finished(source, (error) => {
    if (error) body.destroy(incomplete(error));
  });
  // it may fail before it is read; a later reader still gets the error
  body.on('error', () => undefined);
  body.once('close', () => source.destroy());
  return source.pipe(body);
}
