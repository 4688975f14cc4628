import { CUSTOMERS, DAYS_PER_TRIP, MERCHANTS, SPELLS, STEPS, TRIPS } from './figures.js';
import type { Gender, Merchant } from './figures.js';
import { apportion, interpolate, sum, Urn } from './random.js';
import type { Random } from './random.js';

/** A row of the file: a customer buys from a merchant on a day. Customers and merchants are numbered from 0. */
export interface Visit {
  step: number;
  customer: number;
  merchant: number;
}

const LARGEST = 0;
const SECOND_LARGEST = 1;
const BIG_MERCHANTS = 2;

/** The visits in the order of the file; `genders` are those of the customers. */
export function* visits(rows: number, genders: readonly Gender[], random: Random): Generator<Visit> {
  const weights = MERCHANTS.map(([, merchantRows]) => merchantRows);
  const merchantRows = apportion(rows, weights, 1);
  const trips = sum(merchantRows.slice(0, BIG_MERCHANTS));
  const travellers = new Travellers(trips, random);
  const purchases = new Urn(merchantRows.slice(BIG_MERCHANTS));
  const allPurchases = purchases.left;
  const customers = [...genders.keys()];
  const pools = [
    customers.filter((customer) => genders[customer] === 'F'),
    customers.filter((customer) => genders[customer] === 'M'),
    customers.filter((customer) => genders[customer] !== 'F' && genders[customer] !== 'M'),
  ];
  const shops = MERCHANTS.slice(BIG_MERCHANTS).map(
    (figures, shop) => new Shop(figures, merchantRows[BIG_MERCHANTS + shop]!, pools),
  );

  let tripsSoFar = 0;
  for (let step = 0; step < STEPS; step++) {
    const tripsToday = travellers.on(step);
    tripsSoFar += tripsToday.length;
    // The purchases at the other merchants grow in proportion to the trips.
    const purchasesLeftTonight = allPurchases - Math.floor((allPurchases * tripsSoFar) / trips);
    for (;;) {
      const purchasesToday = purchases.left - purchasesLeftTonight;
      if (tripsToday.length + purchasesToday === 0) break;
      if (random.below(tripsToday.length + purchasesToday) < purchasesToday) {
        const shop = purchases.draw(random);
        yield { step, customer: shops[shop]!.serve(random), merchant: BIG_MERCHANTS + shop };
      } else {
        const customer = tripsToday.pop()!;
        yield { step, customer, merchant: travellers.choose(customer, step) };
      }
    }
  }
}

/** The trips of the customers: on nearly all days from the one they join, mostly with the merchant they prefer. */
class Travellers {
  readonly #random: Random;
  readonly #tripsLeft: number[];
  readonly #joinedOn: number[];
  /** The days on which each customer prefers the second largest merchant; `to` is exclusive. */
  readonly #spells: [from: number, to: number][];

  constructor(trips: number, random: Random) {
    this.#random = random;
    const usualTrips = Array.from({ length: CUSTOMERS }, (_, customer) =>
      interpolate(TRIPS.ranks, TRIPS.trips, Math.floor((1_000_000 * customer) / (CUSTOMERS - 1))),
    );
    this.#tripsLeft = apportion(trips, usualTrips, 1);
    this.#joinedOn = usualTrips.map((usual) => Math.max(0, STEPS - Math.ceil(usual * DAYS_PER_TRIP)));
    this.#spells = this.#joinedOn.map((joinedOn) => {
      const isAtOnce = random.below(10_000) < SPELLS.atOnce;
      const from = joinedOn + (isAtOnce ? 0 : random.below(STEPS - joinedOn));
      return [from, from + interpolate(SPELLS.ranks, SPELLS.days, random.below(10_000))];
    });
  }

  /** The customers of this day's trips, one for each trip, in random order. To be called for each day in turn. */
  on(step: number): number[] {
    const riders: number[] = [];
    for (let customer = 0; customer < CUSTOMERS; customer++) {
      if (step < this.#joinedOn[customer]!) continue;
      // An even share of the trips left, the remainder by chance. The days are random, and none is left after the last.
      const daysLeft = STEPS - step;
      const tripsLeft = this.#tripsLeft[customer]!;
      const remainder = tripsLeft % daysLeft;
      const trips = (tripsLeft - remainder) / daysLeft + (this.#random.below(daysLeft) < remainder ? 1 : 0);
      this.#tripsLeft[customer] = tripsLeft - trips;
      for (let trip = 0; trip < trips; trip++) riders.push(customer);
    }
    return this.#random.shuffle(riders);
  }

  choose(customer: number, step: number): number {
    const [from, to] = this.#spells[customer]!;
    const isInSpell = from <= step && step < to;
    return isInSpell || this.#random.below(10_000) < SPELLS.revisit ? SECOND_LARGEST : LARGEST;
  }
}

/** A merchant other than the big two: new customers come evenly over its rows; the other rows are of known customers. */
class Shop {
  #rowsLeft: number;
  readonly #newcomers: Urn;
  readonly #pools: number[][];
  readonly #known: number[] = [];
  readonly #isKnown = new Uint8Array(CUSTOMERS);

  /** `pools` are all customers: women, men, others. */
  constructor([, , customers, women, men]: Merchant, rows: number, pools: number[][]) {
    this.#rowsLeft = rows;
    this.#newcomers = new Urn(apportion(Math.min(customers, rows), [women, men, customers - women - men]));
    this.#pools = pools;
  }

  serve(random: Random): number {
    const isNew = random.below(this.#rowsLeft--) < this.#newcomers.left;
    if (!isNew && this.#known.length > 0) return random.pick(this.#known);
    const pool = this.#pools[this.#newcomers.draw(random)]!;
    let customer;
    do customer = random.pick(pool);
    while (this.#isKnown[customer]);
    this.#isKnown[customer] = 1;
    this.#known.push(customer);
    return customer;
  }
}
