import { deflateSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { ContentError } from '../../src/errors.js';
import { importanceColumns, transactionColumns } from '../../src/csv/header.js';
import { HEADER, fileOf } from '../support/bytes.js';
import { useStaging } from '../support/staging.js';

describe('stageCsv', () => {
  const { stage, refusal } = useStaging();

  describe('refuses a file', () => {
    it('that is empty, or has nothing but a byte order mark and empty lines', async () => {
      for (const file of ['', '\xef\xbb\xbf', '\n\r\n\n'])
        expect(await refusal(file)).to.equal('the object is empty');
    });

    it('whose header lacks or repeats a needed column, naming them all', async () => {
      expect(await refusal("customer,'Customer',merchant,amounts\n")).to.equal(
        'the header has column "customer" twice, no column "gender", no column "amount"',
      );
      expect(await refusal(fileOf(), importanceColumns)).to.match(/no column "source".*"target".*"weight"/);
    });

    it('but not for a column twice that nobody needs', async () => {
      expect((await stage(`x,${HEADER},x\n,C,F,M,1,\n`)).rows).to.have.length(1);
    });

    it('with a quote that is never closed, naming the line where its row starts', async () => {
      expect(await refusal(fileOf('C,F,M,1', 'C,"F,M,1', 'C,F,M,1'))).to.match(/line 3 .*never closed/);
      expect(await refusal('customer,"gender,merchant,amount\n')).to.match(/line 1 .*never closed/);
    });

    it('whose header is not UTF-8, or has a double quote inside a name', async () => {
      expect(await refusal(`x\xff,${HEADER}\n`)).to.equal('the header is not UTF-8');
      expect(await refusal(`${HEADER.replace('gender', 'gen"der')}\n`)).to.match(/double quote/);
    });

    it('whose lines end with a carriage return alone, which would be one long header', async () => {
      const file = `${HEADER},fraud\rC1,F,M,1,0\rC2,F,M,1,0\r`;
      expect(await refusal(file)).to.match(/lone carriage return/);
    });

    it('of another format, which is named by its first bytes', async () => {
      const utf16 = Buffer.from(`\uFEFF${HEADER}\nC,F,M,1\n`, 'utf16le');
      const formats: [name: string, content: Buffer][] = [
        ['UTF-16', utf16],
        ['UTF-16', Buffer.from(utf16).swap16()],
        [
          'a ZIP archive or an Excel workbook',
          Buffer.from('PK\x03\x04\x14\0\x06\0\x08\0\0\0\n\xff', 'latin1'),
        ],
        ['an Excel workbook', Buffer.from('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\n', 'latin1')],
        ['gzip within gzip', gzipSync(`${HEADER}\n`)],
        ['packed with zlib', deflateSync(`${HEADER}\n`)],
        ['packed with bzip2', Buffer.from('BZh91AY&SY\xe9\n', 'latin1')],
        ['packed with zstd', Buffer.from('\x28\xb5\x2f\xfd\x04\n', 'latin1')],
        ['Parquet', Buffer.from('PAR1\x15\x04\n')],
        ['JSON', Buffer.from('{"customer":"C","merchant":"M"}\n')],
        ['JSON', Buffer.from('[\n {"customer":"C"}\n]\n')],
        ['XML or HTML', Buffer.from('<?xml version="1.0"?>\n<rows/>\n')],
        ['XML or HTML', Buffer.from('<!DOCTYPE html>\n<html>\n')],
      ];
      for (const [name, content] of formats)
        expect(await refusal(content.toString('latin1')), name).to.equal(
          `the file is ${name}: it must be CSV in UTF-8, packed with gzip once or not at all`,
        );
    });

    it('with a record of more than 16 MiB, however its bytes come', async () => {
      const file = `${HEADER},x\nC1,F,M,1,${'a'.repeat(17 * 1024 * 1024)}\nC2,F,M,1,b\n`;
      for (const sizes of [undefined, [1 << 20]]) {
        const error: unknown = await stage(file, transactionColumns, sizes).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).to.be.instanceOf(ContentError);
        expect((error as ContentError).message).to.match(/line 2 is longer than 16777216 bytes/);
      }
    });
  });
});
