import { S3Client } from '@aws-sdk/client-s3';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';
import { UsageError } from '../errors.js';

// The lock file pins the SDK, so its warning about future Node versions would only be noise in the log.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

const CONNECT_TIMEOUT_MS = 5_000;
/** Counts from the last byte in either direction, so a large body over a slow line may take as long as it needs. */
const NO_PROGRESS_TIMEOUT_MS = 10_000;
const MAX_SOCKETS = 32;

export interface ClientOptions {
  bucket: string;
  /** A URL. Default: AWS itself. */
  endpoint?: string | undefined;
  /** Default: the SDK's own search (profile files); with an endpoint `us-east-1`, since it seldom matters there. */
  region?: string | undefined;
  /** Default: true when an endpoint is set. */
  forcePathStyle?: boolean | undefined;
  /** Default: the SDK's default chain. */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** Default: NO_PROGRESS_TIMEOUT_MS. */
  noProgressTimeoutMs?: number | undefined;
}

/** A client of the SDK with the project's timeouts. It connects with its first call. */
export function openClient(options: ClientOptions, credentialReasons = new CredentialReasons()): S3Client {
  const { endpoint, region, forcePathStyle, credentials, noProgressTimeoutMs } = options;
  if (!credentials) assertUsableKeys();
  // Checksums stay at the SDK's default, "when supported": all bodies are buffers, so the checksum travels in a
  // header, which AWS, Ceph and the embedded server accept (streams would need a trailer, which Ceph answers with 411).
  // For a store that does not accept it, the SDK itself reads AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
  return new S3Client({
    ...(endpoint && { endpoint }),
    ...(region ? { region } : endpoint && { region: 'us-east-1' }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
    ...(credentials && { credentials }),
    logger: credentialReasons,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: noProgressTimeoutMs ?? NO_PROGRESS_TIMEOUT_MS,
      ...agentsOf(options),
    },
  });
}

/** The SDK's key variables that hold what no key holds: their values come into headers. */
function assertUsableKeys(): void {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
  const problems = names
    .filter((name) => /[\s\p{Cc}]/u.test(process.env[name] ?? ''))
    .map((name) => `${name} holds a line break, a blank or a control character: set it without`);
  if (problems.length > 0) throw new UsageError(problems);
}

/** Connections to the store: straight, or by way of the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY say. */
function agentsOf(options: ClientOptions) {
  const sockets = { maxSockets: MAX_SOCKETS };
  const proxy = proxyOf(options);
  if (proxy === undefined) return { httpAgent: sockets, httpsAgent: sockets };
  const agentOptions = { ...sockets, keepAlive: true };
  return {
    httpAgent: new HttpProxyAgent(proxy, agentOptions),
    httpsAgent: new HttpsProxyAgent(proxy, agentOptions),
  };
}

/** The proxy in front of the store; never in front of a server on this machine. */
export function proxyOf({ endpoint, region, bucket }: ClientOptions): URL | undefined {
  const url = new URL(endpoint ?? `https://${bucket}.s3.${region ?? 'us-east-1'}.amazonaws.com`);
  if (/^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname)) return undefined;
  const proxy = getProxyForUrl(url.href);
  if (proxy === '') return undefined;
  if (!/^https?:\/\//i.test(proxy) || !URL.canParse(proxy)) {
    throw new UsageError([
      `${url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'} must be a URL that begins with http:// or https://, ` +
        `or NO_PROXY must name ${url.hostname}`,
    ]);
  }
  return new URL(proxy);
}

/**
 * The SDK asks one source of credentials after the other, and tells why each has none only to its log: the last error
 * says that there are none. This log keeps these reasons.
 */
export class CredentialReasons {
  readonly #reasons: string[] = [];

  get reasons(): readonly string[] {
    return this.#reasons;
  }

  trace(): void {
    // nothing of it is needed
  }

  debug(text: unknown): void {
    const [, reason] = /^@smithy\/property-provider (?:->|\(!\)) (.*)$/s.exec(String(text)) ?? [];
    if (reason === undefined || /^Not found in/.test(reason)) return;
    this.#reasons.push(reason);
    if (this.#reasons.length > 20) this.#reasons.shift();
  }

  info(): void {
    // nothing of it is needed
  }

  warn(text: unknown): void {
    process.emitWarning(String(text).replace(/\s+/g, ' '));
  }

  error(): void {
    // each error is thrown, too
  }
}
