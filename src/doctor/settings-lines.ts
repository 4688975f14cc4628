import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { environmentWarnings, inspectSettings, type FoundSetting } from '../config.js';
import { LIBRARY_NAMES } from '../environment/named-services.js';
import { UsageError, codeOf } from '../errors.js';
import { note, ok, toDo, usual, type Examination, type Finding } from './examination.js';

/** What Node and libraries read, besides; shown where it is set. */
const OTHERS = [
  ...LIBRARY_NAMES,
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ROLE_ARN',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'NODE_EXTRA_CA_CERTS',
  'NODE_ENV',
];
const SECRET = /PASSWORD|SECRET|ACCESS_KEY|TOKEN$|DATABASE_URL/;

/** For the table: no secret, and no user and password of a URL. */
function shown(name: string, text: string): string {
  if (SECRET.test(name)) return 'set (not shown)';
  return /URL|PROXY/.test(name) ? text.replace(/^(.*\/\/)?.*@/s, '$1') : text;
}

/** What is set, by which name, and what is wrong with it; unknown names and lines of `.env`, too. */
export async function examineSettings(examination: Examination): Promise<void> {
  examination.heading('settings');
  let found: ReturnType<typeof inspectSettings> | undefined;
  await examination.try('.env, config.env', () => {
    try {
      found = inspectSettings();
      return ok('read, if there');
    } catch (error) {
      // a value that is not read may be a secret: the error names the file alone
      if (error instanceof UsageError) return toDo(error.problems.join('; '));
      throw error;
    }
  });
  if (!found) return examination.skip('the files cannot be read', 'each setting');
  for (const setting of found.settings) await examination.try(setting.name, () => findingOf(setting));
  examination.sumUp('not set, or as by default');
  for (const name of OTHERS) {
    const text = process.env[name];
    if (text) await examination.try(name, () => ok(shown(name, text)));
  }
  for (const problem of found.together) await examination.try('together', () => toDo(problem));
  for (const warning of environmentWarnings()) {
    const [, name = '', rest = ''] = /^(\S+) ((?:is|has) [^]*)$/.exec(warning) ?? [];
    await examination.try(name || 'environment', () => toDo(name ? rest : warning));
  }
}

function findingOf({ name, text, value, problems }: FoundSetting): Finding {
  // the text is not shown: it may be the password that belongs into another variable
  if (problems.length > 0) return toDo(problems.map((problem) => problem.replace(`${name} `, '')).join('; '));
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  const words = isPlain ? shown(name, String(value)) : text;
  if (words === undefined || words === '') return usual('not set');
  return findingOfFile(name, String(value)) ?? (text === undefined ? usual(`${words} (default)`) : ok(words));
}

const READERS: Record<string, string> = { TRANSACTIONS_CSV: 'mechanism X', IMPORTANCE_CSV: 'mechanism Y' };

function findingOfFile(name: string, file: string): Finding | undefined {
  const reader = READERS[name];
  try {
    if (reader !== undefined) accessSync(file, constants.R_OK);
    if (name === 'BANKPULSE_HOME') accessSync(nearestFolder(file), constants.W_OK);
    return undefined;
  } catch (error) {
    if (reader === undefined) return note(`${file} cannot be written: the embedded servers need it`);
    if (codeOf(error) === 'ENOENT') return note(`${file} is not there: ${reader} needs it`);
    return toDo(`${file} cannot be read by this user: ${reader} needs it`);
  }
}

/** The folder, or that above it which is there. */
function nearestFolder(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}
