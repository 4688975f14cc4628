import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { environmentFileWarnings, readEnvironmentFiles } from '../../src/environment/env-file.js';
import { UsageError } from '../../src/errors.js';

describe('the files of variables', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = (content: string | Buffer, name = '.env') => writeFile(join(folder, name), content);
  const warnings = async (content: string) => {
    await write(content);
    return environmentFileWarnings(folder, {});
  };
  function read(environment: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    readEnvironmentFiles(folder, environment);
    return environment;
  }

  it('add to the environment, which wins; .env wins over config.env; empty is unset', async () => {
    await write('A=1\nB=2\nC=\nD=4\n');
    await write('B=20\nC=30\n', 'config.env');
    expect(read({ A: '0', D: '' })).to.deep.equal({ A: '0', B: '2', C: '30', D: '4' });
  });

  const refused: [what: string, content: Buffer][] = [
    ['UTF-16 with its mark', Buffer.from('\uFEFFDB_HOST=secret\n', 'utf16le')],
    ['UTF-16 without a mark', Buffer.from('DB_HOST=secret\n', 'utf16le')],
    ['big-endian UTF-16', Buffer.from('DB_HOST=secret\n', 'utf16le').swap16()],
    ['a NUL byte', Buffer.from('DB_HOST=a\0b\n')],
    ['Latin-1', Buffer.from('DB_PASSWORD=secr\u00E9t\n', 'latin1')],
  ];
  for (const [what, content] of refused) {
    it(`are refused with ${what}`, async () => {
      for (const name of ['.env', 'config.env']) {
        await write(content, name);
        expect(() => read()).to.throw(
          UsageError,
          new RegExp(`^${name.replace('.', '\\.')} .*save it as UTF-8$`),
        );
        await rm(join(folder, name));
      }
    });
  }

  it('are refused when they cannot be read', async () => {
    await mkdir(join(folder, '.env'));
    expect(() => read()).to.throw(UsageError, /^\.env cannot be read/);
  });

  it('may begin with a byte order mark and end lines as Windows does', async () => {
    await write('\uFEFFA=1\r\nB=2\r\n');
    expect(read()).to.deep.equal({ A: '1', B: '2' });
    expect(environmentFileWarnings(folder, {})).to.deep.equal([]);
  });

  it('are left alone under NODE_ENV=test, which is said', async () => {
    await write('A=1\n');
    expect(read({ NODE_ENV: 'test' })).to.deep.equal({ NODE_ENV: 'test' });
    expect(environmentFileWarnings(folder, { NODE_ENV: 'test' })).to.deep.equal([
      '.env is left alone, because NODE_ENV is test',
    ]);
  });

  it('have other names that are left alone, which is said', async () => {
    for (const name of ['.env.local', 'env', '.env.txt', '.env.example', 'environment.ts'])
      await write('', name);
    expect(environmentFileWarnings(folder, {})).to.have.members(
      ['.env.local', 'env', '.env.txt'].map(
        (name) => `${name} is left alone: BankPulse reads .env and config.env`,
      ),
    );
  });

  it('raise no warning for what is read', async () => {
    const content = [
      '# a comment with a#hash and "quotes',
      '',
      '   ',
      'A=1',
      'export B=2',
      'C: 3',
      'D = four words # and a comment with a#hash',
      'E="a # in quotes" # comment',
      "F='it''s'",
      'G="several',
      'not a line of its own',
      'lines#" # comment',
      'H=',
      'I= # comment',
      'J=#',
      'K="escaped \\" quote"',
    ].join('\n');
    expect(await warnings(content)).to.deep.equal([]);
  });

  it('raise a warning for each line that dotenv passes over or cuts, without its value', async () => {
    const content = [
      'set A=secret',
      'DB_PASSWORD',
      'DB_PASSWORD=pa#secret',
      'DB_USER=#secret',
      'S3_BUCKET="secret',
      "DB_HOST='secret'x",
      '"A"=secret',
      'E="several',
      'lines"',
      '- secret',
    ].join('\r\n');
    const found = await warnings(content);
    expect(found.map((line) => line.replace(/:? (is not read|is cut|begins).*/, ' $1'))).to.deep.equal([
      '.env, line 1 is not read',
      '.env, line 2 is not read',
      '.env, line 3: DB_PASSWORD is cut',
      '.env, line 4: DB_USER is cut',
      '.env, line 5: S3_BUCKET begins',
      '.env, line 6: DB_HOST begins',
      '.env, line 7 is not read',
      '.env, line 10 is not read',
    ]);
    expect(found.join()).not.to.include('secret');
  });
});
