/** One element per value, in the order of the names. */
export function elements(values: Record<string, string | number | boolean>): string {
  const escape = (value: unknown) => String(value).replace(/[&<>\p{Cc}]/gu, (c) => `&#${c.codePointAt(0)};`);
  return Object.entries(values).reduce((xml, [tag, value]) => `${xml}<${tag}>${escape(value)}</${tag}>`, '');
}

/** The refusal of a request, by S3's status and code. */
export class S3Error extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message = code,
  ) {
    super(message);
  }
}
