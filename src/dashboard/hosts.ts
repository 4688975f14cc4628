import { isIP } from 'node:net';
import { allows, readHost, type NamedHost } from '../text/hosts.js';

/** Whether a server that listens on this host is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';

/** Where the dashboard listens, and under which names it answers besides. */
export interface Served {
  /** DASHBOARD_HOST */
  host: string;
  port: number;
  /** DASHBOARD_ALLOWED_HOSTS */
  allowed: readonly NamedHost[];
}

/**
 * Whether a request with this `Host` header is served. DNS rebinding makes the name of another site resolve to this
 * server; requests of its pages carry that name, and are refused. Allowed are this machine's own names and the
 * configured one, with the port; on a wildcard address also every numeric address, which a rebound name never is; and
 * what DASHBOARD_ALLOWED_HOSTS names.
 */
export function isAllowedHost(header: string | undefined, served: Served): boolean {
  const named = header === undefined ? undefined : readHost(header);
  if (named === undefined) return false;
  if (served.allowed.some((pattern) => allows(pattern, named))) return true;
  if ((named.port ?? 80) !== served.port) return false;
  const { host } = named;
  if (['localhost', '127.0.0.1', '[::1]', readHost(served.host)?.host].includes(host)) return true;
  return isWildcard(served.host) && isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}

/** What is told to a request under a name that is not allowed. */
export function refusalOf(header: string | undefined): string {
  const name = header === undefined ? undefined : readHost(header)?.host;
  return `this host name is not served here; to allow it, set DASHBOARD_ALLOWED_HOSTS${name ? `=${name}` : ''}`;
}
