import type { Queryable } from './connection.js';

/**
 * Switches to the owner of the schema, if this role may: all objects then belong to one role, whichever role migrates.
 * The owner of refresh_views(), for example, must own the views that it refreshes.
 */
export async function becomeOwner(client: Queryable): Promise<void> {
  const query = `select set_config('role', pg_get_userbyid(nspowner), false) from pg_namespace
    where nspname = 'bankpulse' and pg_get_userbyid(nspowner) <> current_user and pg_has_role(nspowner, 'member')`;
  // since PostgreSQL 16 a role may be a member without the right to switch; it then stays itself
  await client.query(query).catch(() => undefined);
}
