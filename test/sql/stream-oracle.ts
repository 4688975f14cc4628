import type { Row } from '../support/chunks.js';

/** The three patterns, computed a third time with whole numbers alone; it shares no code with sql/. */
export interface Rules {
  PatId1: {
    isEnabled: boolean;
    merchant_transactions_above: number;
    count_percent_rank_from: string;
    weight_percent_rank_up_to: string;
  };
  PatId2: { isEnabled: boolean; transactions_from: number; average_amount_below: string };
  PatId3: { isEnabled: boolean; female_customers_above: number };
}

export interface Weight {
  customer: string;
  merchant: string;
  weight: string;
}

export interface Found {
  pattern: string;
  merchant: string;
  customer: string;
}

interface Customer {
  gender: string;
  count: bigint;
  total: bigint;
}

const DECIMALS = 15;
const ONE = 10n ** BigInt(DECIMALS);

/** A plain decimal in units of 10^-15. */
function units(decimal: string): bigint {
  const [, sign, whole = '', fraction = ''] = /^(-?)(\d*)\.?(\d*)$/.exec(decimal)!;
  const size = BigInt(whole + fraction.padEnd(DECIMALS, '0'));
  return sign === '-' ? -size : size;
}

/** total / count in units of 10^-10, rounded half away from zero; total is in units of 10^-15. */
function roundedMean(total: bigint, count: bigint): bigint {
  const size = total < 0n ? -total : total;
  const divisor = count * 10n ** 5n;
  const rounded = (2n * size + divisor) / (2n * divisor);
  return total < 0n ? -rounded : rounded;
}

/** percent_rank of a value, as (smaller, others): the first divided by the second. */
function rank(value: bigint, population: readonly bigint[]): { smaller: bigint; others: bigint } {
  const smaller = BigInt(population.filter((other) => other < value).length);
  return { smaller, others: BigInt(Math.max(population.length - 1, 1)) };
}

export class StreamOracle {
  #rules?: Rules;
  /** Merchant, then customer. */
  #weights = new Map<string, Map<string, bigint>>();
  readonly #customers = new Map<string, Map<string, Customer>>();
  readonly #detected = new Set<string>();

  setRules(rules: Rules): void {
    this.#rules = rules;
  }

  setWeights(rows: readonly Weight[]): void {
    const sums = new Map<string, Map<string, { total: bigint; count: bigint }>>();
    for (const { customer, merchant, weight } of rows) {
      const listed = sums.get(merchant) ?? new Map<string, { total: bigint; count: bigint }>();
      const { total, count } = listed.get(customer) ?? { total: 0n, count: 0n };
      sums.set(merchant, listed.set(customer, { total: total + units(weight), count: count + 1n }));
    }
    this.#weights = new Map(
      [...sums].map(([merchant, listed]) => [
        merchant,
        new Map([...listed].map(([customer, { total, count }]) => [customer, roundedMean(total, count)])),
      ]),
    );
  }

  /** Adds a chunk; returns what is detected after it, in order. */
  apply(rows: readonly Row[]): Found[] {
    for (const { customer, gender = '', merchant, amount = '0' } of rows) {
      const known = this.#customers.get(merchant) ?? new Map<string, Customer>();
      this.#customers.set(merchant, known);
      const before = known.get(customer) ?? { gender, count: 0n, total: 0n };
      const total = before.total + units(String(amount));
      known.set(customer, { gender: before.gender, count: before.count + 1n, total });
    }
    const found = this.#matches().filter((match) => !this.#detected.has(JSON.stringify(match)));
    for (const match of found) this.#detected.add(JSON.stringify(match));
    return found;
  }

  #matches(): Found[] {
    const matches: Found[] = [];
    for (const [merchant, customers] of this.#customers) {
      if (this.#needsDei(customers)) matches.push({ pattern: 'PatId3', merchant, customer: '' });
      for (const [customer, stats] of customers) {
        if (this.#isChild(stats)) matches.push({ pattern: 'PatId2', merchant, customer });
        if (this.#isUpgrade(merchant, customer, customers))
          matches.push({ pattern: 'PatId1', merchant, customer });
      }
    }
    const bytes = ({ pattern, merchant, customer }: Found) =>
      Buffer.from([pattern, merchant, customer].join('\0'));
    return matches.sort((one, other) => Buffer.compare(bytes(one), bytes(other)));
  }

  #isUpgrade(merchant: string, customer: string, customers: ReadonlyMap<string, Customer>): boolean {
    const { isEnabled, ...thresholds } = this.#rules!.PatId1;
    const listed = this.#weights.get(merchant);
    const weight = listed?.get(customer);
    if (!isEnabled || weight === undefined) return false;
    const counts = [...customers.values()].map(({ count }) => count);
    const ofCounts = rank(customers.get(customer)!.count, counts);
    const ofWeights = rank(weight, [...listed!.values()]);
    return (
      counts.reduce((sum, count) => sum + count) > BigInt(thresholds.merchant_transactions_above) &&
      ofCounts.smaller * ONE >= units(thresholds.count_percent_rank_from) * ofCounts.others &&
      ofWeights.smaller * ONE <= units(thresholds.weight_percent_rank_up_to) * ofWeights.others
    );
  }

  #isChild({ count, total }: Customer): boolean {
    const { isEnabled, transactions_from, average_amount_below } = this.#rules!.PatId2;
    return isEnabled && count >= BigInt(transactions_from) && total < units(average_amount_below) * count;
  }

  #needsDei(customers: ReadonlyMap<string, Customer>): boolean {
    const { isEnabled, female_customers_above } = this.#rules!.PatId3;
    const genders = [...customers.values()].map(({ gender }) => gender);
    const female = genders.filter((gender) => gender === 'F').length;
    const male = genders.filter((gender) => gender === 'M').length;
    return isEnabled && female > female_customers_above && female < male;
  }
}
