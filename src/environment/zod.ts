import { createRequire } from 'node:module';
import type * as zod from 'zod';

/**
 * Zod in its CommonJS build. The other one is 94 modules, each of which passes the hooks that tsx has for modules: a third
 * of a second of processor time whenever a command starts.
 */
export const { z } = createRequire(import.meta.url)('zod') as typeof zod;
