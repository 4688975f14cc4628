import type { Context } from 'mocha';
import { stopTestDatabase } from './database.js';
import { stopTestS3 } from './s3.js';

// A developer's .env must not lead a test to real data; see readEnvironmentFiles in src/config.ts.
process.env.NODE_ENV = 'test';

export const mochaHooks = {
  async afterAll(this: Context) {
    this.timeout(60_000);
    await stopTestS3();
    await stopTestDatabase();
  },
};
