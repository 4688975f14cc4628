import { isIP } from 'node:net';

/** A host and perhaps a port, as the header `Host` names them, or an entry of DASHBOARD_ALLOWED_HOSTS. */
export interface NamedHost {
  /** In one spelling: lower case, without a final dot, IPv6 in brackets. */
  host: string;
  port: number | undefined;
}

/** Reads `name`, `name:port`, `[::1]`, `[::1]:port` or `::1`. @returns undefined if it is none of these. */
export function readHost(text: string): NamedHost | undefined {
  const match = /^(\[[\da-f:.]+\]|[^\s:[\]/\\?#@%,]+)(?::(\d{1,5}))?$/i.exec(bracketed(text));
  // URL spells a host as browsers do: [0:0:0:0:0:0:0:1] is [::1], bücher.example is xn--bcher-kva.example
  if (!match || !URL.canParse(`http://${match[0]}`)) return undefined;
  const host = new URL(`http://${match[0]}`).hostname.replace(/\.$/, '');
  return { host, port: match[2] === undefined ? undefined : Number(match[2]) };
}

const bracketed = (text: string) => (isIP(text) === 6 ? `[${text}]` : text);

/** Reads a host of a list of allowed ones, which may also be `*` (all) or `*.example.com` (all below it). */
export function readHostPattern(text: string): NamedHost | undefined {
  const pattern = readHost(text);
  return pattern && /^\*$|^(\*\.)?[^*]+$/.test(pattern.host) ? pattern : undefined;
}

/** Whether the pattern allows the host. Without a port it allows all of them. */
export function allows(pattern: NamedHost, { host, port }: NamedHost): boolean {
  // browsers leave out the port of http and https
  const isPort =
    pattern.port === undefined || (port === undefined ? [80, 443] : [port]).includes(pattern.port);
  if (!isPort) return false;
  return (
    pattern.host === '*' ||
    (pattern.host.startsWith('*.') ? host.endsWith(pattern.host.slice(1)) : host === pattern.host)
  );
}
