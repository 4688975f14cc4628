import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { parseIntoClientConfig } from 'pg-connection-string';
import { messageOf } from '../errors.js';

/** The parts of a database URL. Never log `config`: it holds the password. */
export interface DatabaseUrl {
  config: pg.ClientConfig;
  /** Why it cannot be used; they quote no password. */
  problems: string[];
}

const SHAPE =
  'must be a URL such as postgres://user:password@host:5432/name (escape special characters as %NN)';

/** Where Debian's packages and PostgreSQL's own default put the socket of a server on this machine. */
const SOCKET_FOLDERS = ['/var/run/postgresql', '/tmp'];

/** What `pg-connection-string` reads: the modes of TLS, and the files with their certificates. */
const TLS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'uselibpqcompat'];
/** Its default is what BankPulse does anyway, or what has no meaning for one host. */
const WITHOUT_EFFECT = new Map([
  ['client_encoding', /^(auto|utf-?8|unicode)$/i],
  ['gssencmode', /^(disable|prefer)$/],
  ['load_balance_hosts', /^disable$/],
  ['replication', /^(false|off|no|0)$/],
  ['sslcompression', /^0$/],
  ['sslsni', /^1$/],
  ['target_session_attrs', /^(any|read-write|primary|prefer-standby)$/],
]);

/**
 * Reads a URL as libpq does: the host may be a socket's folder, escaped in its place or given as `?host=`, and what is
 * missing comes from libpq's variables and defaults. A parameter is obeyed, or refused by its name: one that is passed
 * over, such as a misspelt sslmode, would do harm.
 */
export function readDatabaseUrl(text: string): DatabaseUrl {
  const [, authority, path, query] = /^postgres(?:ql)?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(
    text.trim(),
  ) ?? [undefined, undefined];
  if (authority === undefined) return { config: {}, problems: [SHAPE] };
  const at = authority.lastIndexOf('@');
  const [user, password] = split(authority.slice(0, Math.max(at, 0)), ':');
  const server = authority.slice(at + 1);
  // a "/" or "?" of the password that is not escaped ends the authority
  if (at < 0 && `${path}${query}`.includes('@') && server.includes(':'))
    return { config: {}, problems: [SHAPE] };

  const given = new Map([...new URLSearchParams(query)].filter(([, value]) => value !== ''));
  const take = (name: string) => {
    const value = given.get(name);
    given.delete(name);
    return value;
  };
  const problems: string[] = [];
  const hosts = take('host') ?? server;
  if (hosts.includes(',') || server.includes(',')) {
    problems.push(
      'names several hosts; BankPulse connects to one: name the primary, or an address that follows it',
    );
    return { config: {}, problems };
  }
  const [, bracketed, plain, serverPort] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(server) ?? [];
  if (bracketed === undefined && plain === undefined) return { config: {}, problems: [SHAPE] };
  const port = take('port') ?? serverPort;
  if (port && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
    problems.push('has a port that is none');
  const host = hosts === server ? decoded(bracketed ?? plain!) : hosts;

  const connectTimeout = take('connect_timeout');
  if (connectTimeout !== undefined && !/^\d{1,6}$/.test(connectTimeout))
    problems.push('has a connect_timeout that is no number of seconds');
  const channelBinding = take('channel_binding') ?? 'prefer';
  const tls = readTls(Object.fromEntries(TLS.map((name) => [name, take(name)])), problems);
  if (!/^(disable|prefer|require)$/.test(channelBinding)) problems.push('has an unknown channel_binding');
  // `pg` uses it where the server offers it; that it does so is certain only where the server is known
  if (
    channelBinding === 'require' &&
    (typeof tls.ssl === 'object' ? tls.ssl.rejectUnauthorized === false : !tls.ssl)
  )
    problems.push('has channel_binding=require, which needs sslmode=verify-full');

  const config: pg.ClientConfig = {
    user: take('user') ?? decoded(user),
    password: take('password') ?? decoded(password),
    database: take('dbname') ?? take('database') ?? decoded(path ?? ''),
    host: host || process.env.PGHOST || socketFolder(port || process.env.PGPORT || '5432'),
    ...(port ? { port: Number(port) } : {}),
    ...tls,
    ...(channelBinding === 'require' ? { enableChannelBinding: true } : {}),
    ...(Number(connectTimeout) > 0 ? { connectionTimeoutMillis: Number(connectTimeout) * 1000 } : {}),
  };
  for (const name of ['application_name', 'fallback_application_name', 'options'] as const) {
    const value = take(name);
    if (value) config[name] = value;
  }
  for (const name of ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'] as const) {
    const value = take(name);
    if (value && !/^\d{1,9}$/.test(value)) problems.push(`has a ${name} that is no number of milliseconds`);
    if (value) config[name] = Number(value);
  }
  for (const [name, value] of given) {
    if (!WITHOUT_EFFECT.get(name)?.test(value)) {
      problems.push(
        WITHOUT_EFFECT.has(name)
          ? `has ${name} with a value that BankPulse does not support: remove it`
          : `has a parameter that BankPulse does not support: "${name}"; remove it`,
      );
    }
  }
  return { config, problems };
}

function readTls(
  given: Record<string, string | undefined>,
  problems: string[],
): Pick<pg.ClientConfig, 'ssl' | 'sslnegotiation'> {
  if (
    given.sslmode !== undefined &&
    !/^(disable|allow|prefer|require|verify-ca|verify-full|no-verify)$/.test(given.sslmode)
  )
    problems.push('has an unknown sslmode');
  if (given.ssl !== undefined && !/^(true|1|false|0|no-verify)$/.test(given.ssl))
    problems.push('has an unknown ssl: true or false');
  const { ssl, ...query } = given;
  // libpq's word for the roots that are built in; here they are Node's
  if (query.sslrootcert === 'system')
    Object.assign(query, { sslrootcert: undefined, sslmode: 'verify-full' });
  if (ssl === 'no-verify') query.sslmode ??= ssl;
  else if (ssl !== undefined) query.ssl = /^(true|1)$/.test(ssl) ? '1' : '0';
  const set = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  try {
    const config = parseIntoClientConfig(`postgres://base/?${new URLSearchParams(set).toString()}`);
    return { ssl: config.ssl, sslnegotiation: config.sslnegotiation };
  } catch (error) {
    problems.push(`cannot be used: ${messageOf(error)}`); // such as a file that cannot be read
    return {};
  }
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Without the escapes; what is none, as a "%" in a password, stays. */
function decoded(text: string): string {
  return text.replace(/(%[\da-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes; // no UTF-8
    }
  });
}

/** The folder with the socket of a server at this port; undefined if there is none: `pg` then takes localhost. */
function socketFolder(port: string): string | undefined {
  return SOCKET_FOLDERS.find((folder) => existsSync(join(folder, `.s.PGSQL.${port}`)));
}
