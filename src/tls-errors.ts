import { codeOf } from './errors.js';

/** What Node calls a certificate that does not convince; the first ones are OpenSSL's names. */
const CERTIFICATE_CODES = /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|INVALID_CA|ERR_TLS_CERT_)/;

/** What to do about a server's certificate; undefined if the error is about something else. */
export function certificateAdvice(error: unknown, howToTrust: string): string | undefined {
  const code = codeOf(error) ?? '';
  if (!CERTIFICATE_CODES.test(code)) return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'the certificate is for another host: use a name that it holds';
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return 'renew the certificate, or correct the clock';
  return howToTrust;
}
