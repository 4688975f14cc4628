const format = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A whole number for people: 594,643. */
export function readable(number: number): string {
  return format.format(number);
}

/** A number of things: `1 chunk`, `2,000 chunks`. */
export function counted(count: number, noun: string): string {
  return `${readable(count)} ${noun}${count === 1 ? '' : 's'}`;
}
