import pg from 'pg';
import { certificateAdvice, codeOf, hasSqlState, isShortOfConnections, messageOf } from '../errors.js';

const TRUST =
  'name the file of its CA: sslrootcert=FILE in DATABASE_URL, or NODE_EXTRA_CA_CERTS=FILE in the environment';
const WITH_TLS = 'sslmode=verify-full in DATABASE_URL, or PGSSLMODE=verify-full with DB_HOST';
const WITHOUT_TLS = 'sslmode=disable in DATABASE_URL, or PGSSLMODE=disable with DB_HOST';
const CREDENTIALS = 'check DB_USER and DB_PASSWORD, or DATABASE_URL';

/** `pg` does not tell the type: false, or how TLS is used. */
const usesTls = (config: pg.ClientConfig) => Boolean(new pg.Client(config).ssl);

/** Of PostgreSQL before 14, poolers and hosts too, which say it in their own words, and not by an SQLSTATE. */
const DEMANDS_TLS = /no encryption|SSL off|SSL( connection)? (is )?required|insecure/i;
/** PostgreSQL's function that reads pg_hba.conf: its messages may be in any language. */
const refusedByHba = (error: unknown) => (error as { routine?: unknown }).routine === 'ClientAuthentication';

/** What to do about an error that a connection failed with. */
export function connectionAdvice(error: unknown, config: pg.ClientConfig): string {
  const message = messageOf(error);
  if (/^connection to the remote node/.test(message))
    return 'the coordinator must be able to log in there as this role: check that the worker runs, and that the role exists and may log in';
  if (
    hasSqlState(error, 'noSuchDatabase') ||
    /^(no such database|database ".*" does not exist)/.test(message)
  )
    return 'create it (createdb) or set DB_NAME or DATABASE_URL to one that exists';
  if (/client certificate/.test(message) || /^ERR_SSL_.*(ALERT|CERTIFICATE)/.test(codeOf(error) ?? ''))
    return 'it demands a certificate of the client that it trusts: sslcert=FILE and sslkey=FILE in DATABASE_URL';
  if (!usesTls(config) && (refusedByHba(error) || DEMANDS_TLS.test(message)))
    return `it may let this role in only with TLS (set ${WITH_TLS}), or not from this machine (its pg_hba.conf)`;
  if (refusedByHba(error))
    return "its pg_hba.conf does not let this role into this database from this machine: ask the server's administrator";
  if (/password must be a (non-empty )?string|empty password/.test(message))
    return 'it asks for a password, and none is set: set DB_PASSWORD, or the password in DATABASE_URL';
  if (/not permitted to log in/.test(message)) return 'use a role that may log in (alter role ... login)';
  if (hasSqlState(error, 'invalidPassword', 'invalidAuthorization')) return CREDENTIALS;
  if (hasSqlState(error, 'insufficientPrivilege'))
    return 'let its owner grant connect on the database to this role';
  if (isShortOfConnections(error)) return CONNECTIONS_NEEDED;
  if (/startup parameter/.test(message))
    return 'a pooler refuses what DATABASE_URL or PGOPTIONS sets at the start of a session: remove it there, or connect directly';
  if (/does not support SSL/.test(message))
    return `turn TLS on there, or connect without it (${WITHOUT_TLS})`;
  if (hasSqlState(error, 'cannotConnectNow')) return 'try again when it is up';
  if (/authentication failed/.test(message)) return CREDENTIALS;
  return (
    certificateAdvice(error, TRUST) ??
    'check that PostgreSQL runs there, and DB_HOST and DB_PORT, or DATABASE_URL'
  );
}

/** Sessions of one command at the same time; see src/database/README.md. */
export const CONNECTIONS_NEEDED =
  'it may be overloaded, or short of connections: mechanism Y needs 6 connections at a time, one more stands by with each further Y, the dashboard takes up to 3, verify, rebuild and backtest 3; ' +
  "raise the role's connection limit, max_connections or the pool's size, or end other sessions";
