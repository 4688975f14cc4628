import type { Context } from 'mocha';
import { buildProgram, removeProgram } from './program.js';
import { endAdministration } from './database.js';
import { closeTestStores } from './s3.js';
import { sharedDatabase, sharedStore } from './servers.js';
import { keepTemporaryFilesInMemory } from './temporary-files.js';

// A developer's .env must not lead a test to real data; see readEnvironmentFiles in src/config.ts.
process.env.NODE_ENV = 'test';
keepTemporaryFilesInMemory();

/** Makes what all files need, unless another process has: the program, and the servers, if processes share them. */
export async function setUp({ isShared }: { isShared: boolean }): Promise<void> {
  await Promise.all([
    buildProgram(),
    ...(isShared ? [sharedDatabase.announce(), sharedStore.announce()] : []),
  ]);
}

/** Ends what this process has made. */
export async function tearDown(): Promise<void> {
  await Promise.all([sharedDatabase.stop(), sharedStore.stop(), removeProgram()]);
}

/** In mocha's first process, before the first file. */
export function mochaGlobalSetup(this: { isParallelMode(): boolean }): Promise<void> {
  return setUp({ isShared: this.isParallelMode() });
}

/** In mocha's first process, after the last file. */
export const mochaGlobalTeardown = tearDown;

export const mochaHooks = {
  async afterAll(this: Context) {
    this.timeout(60_000);
    await Promise.all([closeTestStores(), endAdministration()]);
  },
};
