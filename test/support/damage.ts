import fc from 'fast-check';
import { MARK } from './bytes.js';

// What can happen to the bytes of a file on its way: "binary" strings in and out.

/** One change. Places are taken modulo the length, so that any number will do for any file. */
export type Damage = (file: string) => string;

/** What the parts of a loader take notice of. */
const TELLING = [
  ...['"', '""', "'", ',', '\n', '\r', '\r\n', '\t', ' ', ';', '\\', '\\.', '\n\\.\n', '\\N', '\0', '\x1a'],
  ...[MARK, '\xff', '\xc3', '\xc3\xa9', '\xc0\x80', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xe2\x80', '\x80'],
  ...['e', '.', '-', '1e400', 'NaN', 'customer,gender,merchant,amount\n', 'C9,F,M9,1\n'],
];

const place = fc.nat({ max: 10_000 });
const length = fc.integer({ min: 1, max: 30 });
const at = (file: string, where: number) => where % (file.length + 1);

const damages: fc.Arbitrary<Damage>[] = [
  fc.tuple(place, fc.constantFrom(...TELLING)).map(([where, bytes]) => (file) => {
    const start = at(file, where);
    return file.slice(0, start) + bytes + file.slice(start);
  }),
  fc.tuple(place, length).map(([where, count]) => (file) => {
    const start = at(file, where);
    return file.slice(0, start) + file.slice(start + count);
  }),
  fc.tuple(place, fc.integer({ min: 1, max: 255 })).map(([where, bits]) => (file) => {
    if (file === '') return file;
    const start = where % file.length;
    const flipped = String.fromCharCode(file.charCodeAt(start) ^ bits);
    return file.slice(0, start) + flipped + file.slice(start + 1);
  }),
  fc.tuple(place, length, fc.integer({ min: 1, max: 3 })).map(([where, count, copies]) => (file) => {
    const start = at(file, where);
    return file.slice(0, start) + file.slice(start, start + count).repeat(copies) + file.slice(start);
  }),
  // a block to another place
  fc.tuple(place, length, place).map(([from, count, to]) => (file) => {
    const start = at(file, from);
    const block = file.slice(start, start + count);
    const others = file.slice(0, start) + file.slice(start + count);
    const target = at(others, to);
    return others.slice(0, target) + block + others.slice(target);
  }),
  place.map((where) => (file) => file.slice(0, at(file, where))), // cut off
  fc
    .constantFrom<[string, string]>(
      [',', ';'],
      [',', '\t'],
      ['\n', '\r\n'],
      ['\r\n', '\r'],
      ['\n', '\r'],
      ["'", '"'],
    )
    .map(
      ([from, to]) =>
        (file) =>
          file.replaceAll(from, to),
    ),
  fc.tuple(place, fc.constantFrom(',', '\n', '"')).map(([where, to]) => (file) => {
    const found = file.indexOf(',', at(file, where));
    return found === -1 ? file : file.slice(0, found) + to + file.slice(found + 1);
  }),
];

/** One to three changes of a file. */
export function damaged(files: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const changes = fc.array(fc.oneof(...damages), { minLength: 1, maxLength: 3 });
  return fc
    .tuple(files, changes)
    .map(([file, list]) => list.reduce((changed, change) => change(changed), file));
}
