import { createRequire } from 'node:module';
import type * as kysely from 'kysely';

/**
 * Kysely in its CommonJS build. The other one is 279 modules, each of which passes the hooks that tsx has for modules:
 * half a second of processor time whenever a command starts.
 */
export const { CompiledQuery, Kysely, PostgresDialect, sql } = createRequire(import.meta.url)(
  'kysely',
) as typeof kysely;
