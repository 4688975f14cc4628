import { isIP } from 'node:net';

/** Whether a server that listens on this host is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

const isWildcard = (host: string) => host === '0.0.0.0' || host === '::';
const bracketed = (host: string) => (isIP(host) === 6 ? `[${host}]` : host);

/**
 * Whether a request with this `Host` header is served. DNS rebinding makes the name of another site resolve to this
 * server; requests of its pages carry that name, and are refused. Allowed are this machine's own names and the
 * configured one, with the port; on a wildcard address also every numeric address, which a rebound name never is.
 */
export function isAllowedHost(header: string | undefined, configured: string, port: number): boolean {
  if (header === undefined) return false;
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d+))?$/i.exec(header);
  if (!match || Number(match[2] ?? 80) !== port) return false;
  const host = match[1]!.toLowerCase();
  if (['localhost', '127.0.0.1', '[::1]', bracketed(configured.toLowerCase())].includes(host)) return true;
  return isWildcard(configured) && isIP(host.replace(/^\[|\]$/g, '')) !== 0;
}
