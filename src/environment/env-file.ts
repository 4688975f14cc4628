import { readFileSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import dotenv from 'dotenv';
import { UsageError, codeOf, messageOf } from '../errors.js';

/** The files in the project's folder that hold variables; the first wins. */
const ENV_FILES = ['.env', 'config.env'];

/** Not a value of this file's: a line that dotenv reads as a name and a value, which may go over several lines. */
const ASSIGNMENT =
  /^[ \t]*(?:export[ \t]+)?(?<name>[\w.-]+)(?:[ \t]*=|:[ \t])[ \t]*(?:(?<quote>['"`])(?:\\\k<quote>|(?!\k<quote>)[^])*\k<quote>(?=[ \t]*(?:#.*)?$)|(?<bare>.*))/my;
const COMMENT_OR_NOTHING = /^[ \t\uFEFF]*(?:#.*)?$/my;

/** The text of a file; undefined if there is none. @throws UsageError if it cannot be read as UTF-8 text. */
function readText(folder: string, name: string): string | undefined {
  let content: Buffer;
  try {
    content = readFileSync(resolve(folder, name));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new UsageError([`${name} cannot be read: ${messageOf(error)}`]);
  }
  if (content.includes(0)) {
    throw new UsageError([`${name} holds NUL bytes, as UTF-16 does: save it as UTF-8`]);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw new UsageError([`${name} is not UTF-8: save it as UTF-8`]);
  }
}

/** The tests of a developer must not reach the database that `.env` names. */
const isLeftAlone = (environment: NodeJS.ProcessEnv) => environment.NODE_ENV === 'test';

/**
 * Adds the variables of `.env` and `config.env` to the environment, unless they are set there (an empty value counts as
 * not set). Libraries that read variables themselves, above all the AWS SDK, then see the same values. With
 * `NODE_ENV=test` the files are left alone.
 * @throws UsageError if a file exists and cannot be read.
 */
export function readEnvironmentFiles(folder: string, environment: NodeJS.ProcessEnv): void {
  if (isLeftAlone(environment)) return;
  for (const name of ENV_FILES) {
    for (const [key, value] of Object.entries(dotenv.parse(readText(folder, name) ?? ''))) {
      if (value !== '' && !environment[key]) environment[key] = value;
    }
  }
}

/** What the files say and dotenv passes over, one line each, without any value: it may be a password. */
export function environmentFileWarnings(folder: string, environment: NodeJS.ProcessEnv): string[] {
  const names = namesIn(folder);
  const present = ENV_FILES.filter((name) => names.includes(name));
  if (isLeftAlone(environment)) {
    return present.map((name) => `${name} is left alone, because NODE_ENV is test`);
  }
  const others = names.filter((name) => /^\.?env\.|^env$/i.test(name) && name !== '.env.example');
  return [
    ...present.flatMap((name) =>
      faultsOf(readText(folder, name) ?? '').map(({ line, fault }) => `${name}, line ${line}: ${fault}`),
    ),
    ...others.map((name) => `${name} is left alone: BankPulse reads ${ENV_FILES.join(' and ')}`),
  ];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return ENV_FILES; // a folder may be entered and not listed
  }
}

function faultsOf(content: string): { line: number; fault: string }[] {
  const faults: { line: number; fault: string }[] = [];
  const text = content.replace(/\r\n?/g, '\n');
  let line = 1;
  for (let start = 0; start <= text.length;) {
    const at = (pattern: RegExp) => {
      pattern.lastIndex = start;
      return pattern.exec(text);
    };
    const assignment = at(ASSIGNMENT)?.groups as { name: string; bare?: string } | undefined;
    if (assignment) {
      const fault = faultOf(assignment.bare ?? '');
      if (fault) faults.push({ line, fault: `${assignment.name} ${fault}` });
    } else if (!at(COMMENT_OR_NOTHING)) {
      faults.push({ line, fault: 'is not read: NAME=value is expected' });
    }
    const end = text.indexOf('\n', assignment ? ASSIGNMENT.lastIndex : start);
    if (end < 0) break;
    line += text.slice(start, end + 1).split('\n').length - 1;
    start = end + 1;
  }
  return faults;
}

/** What is wrong with a value that stands in no quotes. */
function faultOf(bare: string): string | undefined {
  const quote = /^['"`]/.exec(bare)?.[0];
  if (quote && bare.length > 1 && bare.trimEnd().endsWith(quote)) return undefined;
  if (quote) return 'begins with a quote that does not end the value: the quote counts as a part of it';
  const hash = bare.indexOf('#');
  if (hash < 0 || (/^\s?$/.test(bare.charAt(hash - 1)) && !/^#\S/.test(bare))) return undefined;
  return 'is cut at "#", which begins a comment: put the value in single quotes if "#" is a part of it';
}
