import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from './config.js';

/** The version of BankPulse, as package.json has it. */
export const version = (
  JSON.parse(readFileSync(join(projectDir, 'package.json'), 'utf8')) as { version: string }
).version;
