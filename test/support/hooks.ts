import type { Context } from 'mocha';
import { buildProgram, removeProgram } from './program.js';
import { endAdministration } from './database.js';
import { closeTestStores } from './s3.js';
import { sharedDatabase, sharedStore } from './servers.js';
import { keepTemporaryFilesInMemory } from './temporary-files.js';

// A developer's .env must not lead a test to real data; see readEnvironmentFiles in src/config.ts.
process.env.NODE_ENV = 'test';
keepTemporaryFilesInMemory();

/** In mocha's first process, before the first file. */
export async function mochaGlobalSetup(this: { isParallelMode(): boolean }): Promise<void> {
  await Promise.all([
    buildProgram(),
    ...(this.isParallelMode() ? [sharedDatabase.announce(), sharedStore.announce()] : []),
  ]);
}

/** In mocha's first process, after the last file. */
export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all([sharedDatabase.stop(), sharedStore.stop(), removeProgram()]);
}

export const mochaHooks = {
  async afterAll(this: Context) {
    this.timeout(60_000);
    await Promise.all([closeTestStores(), endAdministration()]);
  },
};
