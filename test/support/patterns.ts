import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { projectDir } from '../../src/config.js';

/**
 * Installs the patterns of the tests as `npm run migrate` would if their files stood in sql/04_patterns: the files
 * first, the grants last.
 */
export async function installTestPatterns(client: pg.Client): Promise<void> {
  for (const file of [
    'test/patterns/big_spender.sql',
    'test/patterns/one_big_customer.sql',
    'sql/14_grants/grants.sql',
  ]) {
    await client.query(await readFile(join(projectDir, file), 'utf8'));
  }
}
