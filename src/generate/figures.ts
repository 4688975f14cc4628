/**
 * Figures about BankSim (E. A. Lopez-Rojas, S. Axelsson: "BankSim: a bank payments simulator for fraud detection
 * research", EMSS 2014) that the generator imitates. Counts and quantiles only: no row and no name of the data set.
 */

export const ROWS = 594_643;
export const CUSTOMERS = 4112;
/** Days, numbered from 0. */
export const STEPS = 180;
export const ZIP_CODE = '28007';

export type Gender = 'F' | 'M' | 'E' | 'U';

/** Customers of each gender, and BankSim's rows of each age, in whose proportion the ages spread. Enterprises have no age. */
export const GENDERS: { gender: Gender; customers: number; ages: Record<string, number> }[] = [
  {
    gender: 'F',
    customers: 2256,
    ages: { 0: 1857, 1: 32836, 2: 104754, 3: 78432, 4: 58646, 5: 34101, 6: 13939 },
  },
  {
    gender: 'M',
    customers: 1844,
    ages: { 0: 595, 1: 25117, 2: 82392, 3: 68526, 4: 50379, 5: 28541, 6: 12835 },
  },
  { gender: 'E', customers: 9, ages: { U: 1178 } },
  { gender: 'U', customers: 3, ages: { 1: 178, 2: 164, 3: 173 } },
];

/** Trips of a customer with the two transport merchants: `trips` at `ranks` among the customers, in millionths. */
export const TRIPS = {
  ranks: [
    0, 10_000, 50_000, 100_000, 200_000, 300_000, 400_000, 600_000, 800_000, 950_000, 990_000, 1_000_000,
  ],
  trips: [1, 10, 43, 68, 101, 123, 138, 147, 152, 157, 160, 169],
};

/**
 * Each customer prefers the second largest merchant for one spell of days, which for most begins on the day they join;
 * before and after it they ride with the largest. So the second largest leads at first, and is the first to pass 50,000
 * rows. In 10,000ths: `atOnce`, the customers whose spell begins on the day they join; `ranks` of the spells' `days`;
 * `revisit`, the trips outside of spells that go to the second largest.
 */
export const SPELLS = {
  atOnce: 7800,
  ranks: [0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000],
  days: [6, 12, 20, 30, 42, 56, 73, 94, 126, 170, 230],
  revisit: 200,
};

/**
 * A customer joins this many days before the end for each trip, so those with few trips join late. The days grow, from
 * some 2,400 rows to some 3,770.
 */
export const DAYS_PER_TRIP = 1.35;

export type Merchant = [category: Category, rows: number, customers: number, women: number, men: number];

/** The merchants with their distinct customers, and the women and men among them. The first two are the big ones. */
export const MERCHANTS: Merchant[] = [
  ['es_transportation', 299693, 3573, 1945, 1617],
  ['es_transportation', 205426, 3929, 2147, 1771],
  ['es_food', 26254, 3442, 1870, 1561],
  ['es_health', 6821, 2829, 1571, 1248],
  ['es_barsandrestaurants', 6373, 2728, 1497, 1226],
  ['es_hyper', 6098, 2931, 1594, 1329],
  ['es_wellnessandbeauty', 5343, 2674, 1426, 1241],
  ['es_health', 3988, 1914, 1062, 844],
  ['es_wellnessandbeauty', 3814, 2162, 1183, 974],
  ['es_health', 3508, 1324, 766, 556],
  ['es_fashion', 2881, 1884, 1040, 840],
  ['es_fashion', 2624, 1962, 1079, 878],
  ['es_wellnessandbeauty', 1868, 1033, 598, 433],
  ['es_sportsandtoys', 1769, 795, 458, 336],
  ['es_wellnessandbeauty', 1608, 995, 552, 440],
  ['es_wellnessandbeauty', 1580, 1010, 580, 429],
  ['es_tech', 1399, 1131, 618, 507],
  ['es_sportsandtoys', 1173, 952, 545, 406],
  ['es_fashion', 949, 619, 366, 250],
  ['es_health', 916, 600, 356, 242],
  ['es_otherservices', 912, 668, 368, 298],
  ['es_health', 900, 549, 327, 220],
  ['es_home', 776, 682, 386, 293],
  ['es_tech', 751, 730, 396, 330],
  ['es_travel', 608, 402, 223, 179],
  ['es_wellnessandbeauty', 599, 423, 238, 184],
  ['es_hotelservices', 573, 521, 275, 243],
  ['es_sportsandtoys', 528, 432, 252, 179],
  ['es_contents', 527, 483, 249, 231],
  ['es_home', 525, 488, 262, 226],
  ['es_hotelservices', 370, 340, 181, 156],
  ['es_contents', 358, 348, 173, 174],
  ['es_home', 341, 276, 156, 119],
  ['es_home', 323, 283, 161, 122],
  ['es_leisure', 308, 231, 136, 95],
  ['es_sportsandtoys', 282, 227, 143, 83],
  ['es_wellnessandbeauty', 274, 208, 130, 78],
  ['es_hotelservices', 250, 200, 128, 72],
  ['es_hotelservices', 244, 200, 117, 82],
  ['es_tech', 220, 193, 104, 88],
  ['es_leisure', 191, 146, 92, 53],
  ['es_sportsandtoys', 181, 151, 76, 75],
  ['es_hotelservices', 122, 106, 62, 44],
  ['es_hotelservices', 107, 99, 56, 43],
  ['es_hotelservices', 78, 66, 38, 28],
  ['es_travel', 69, 69, 40, 29],
  ['es_sportsandtoys', 69, 54, 34, 20],
  ['es_travel', 48, 47, 31, 16],
  ['es_home', 21, 20, 8, 12],
  ['es_travel', 3, 3, 2, 1],
];

/** The ranks of the amounts in `AMOUNTS`, in millionths of a category's rows. */
export const AMOUNT_RANKS = [
  0, 50_000, 250_000, 500_000, 650_000, 750_000, 850_000, 920_000, 950_000, 970_000, 990_000, 997_000,
  999_500, 1_000_000,
];

/** Amounts in cents at those ranks, and how many of 10,000 rows are fraud. */
export const AMOUNTS = {
  es_transportation: {
    fraud: 0,
    cents: [0, 260, 1280, 2496, 3270, 3864, 4612, 5376, 5870, 6364, 7294, 8175, 9346, 11807],
  },
  es_food: {
    fraud: 0,
    cents: [0, 334, 1696, 3348, 4468, 5351, 6446, 7570, 8321, 9072, 10355, 11649, 12802, 15491],
  },
  es_health: {
    fraud: 1051,
    cents: [3, 898, 4530, 9789, 13648, 17055, 21958, 29134, 38847, 54366, 83672, 106295, 139956, 197281],
  },
  es_wellnessandbeauty: {
    fraud: 476,
    cents: [2, 457, 2515, 5190, 7114, 8697, 10875, 13494, 15639, 18971, 36314, 52310, 64615, 75051],
  },
  es_fashion: {
    fraud: 180,
    cents: [1, 509, 2665, 5562, 7584, 9182, 11441, 13667, 15299, 16819, 22993, 42497, 62581, 77361],
  },
  es_barsandrestaurants: {
    fraud: 188,
    cents: [1, 339, 1717, 3627, 5004, 6149, 7569, 9219, 10133, 11160, 14464, 29574, 50054, 69563],
  },
  es_hyper: {
    fraud: 459,
    cents: [2, 376, 1793, 3675, 5010, 6068, 7534, 9158, 10729, 13124, 25593, 35634, 43417, 48802],
  },
  es_sportsandtoys: {
    fraud: 4953,
    cents: [11, 1105, 6039, 13430, 20679, 30935, 45514, 59447, 67558, 75191, 90794, 104131, 116796, 125833],
  },
  es_tech: {
    fraud: 667,
    cents: [9, 861, 4309, 9045, 12882, 15841, 20019, 25276, 30549, 43113, 73309, 92216, 107169, 130535],
  },
  es_home: {
    fraud: 1521,
    cents: [13, 1264, 5367, 11134, 15510, 19756, 26396, 39987, 53868, 75658, 104291, 121563, 154023, 154023],
  },
  es_hotelservices: {
    fraud: 3142,
    cents: [2, 1213, 6466, 13195, 17941, 23015, 39513, 61377, 72514, 85430, 99632, 119559, 142904, 142904],
  },
  es_otherservices: {
    fraud: 2500,
    cents: [6, 805, 3873, 8736, 12220, 15432, 23058, 37802, 48590, 61971, 78907, 89908, 96430, 96430],
  },
  es_contents: {
    fraud: 0,
    cents: [1, 296, 1750, 3843, 5386, 6520, 7918, 9756, 10589, 11748, 14122, 17654, 18513, 18513],
  },
  es_travel: {
    fraud: 7940,
    cents: [
      47, 13435, 76730, 188849, 276161, 342711, 424725, 507057, 559211, 614259, 688830, 763541, 832996,
      832996,
    ],
  },
  es_leisure: {
    fraud: 9499,
    cents: [3874, 8922, 23317, 29666, 32873, 35430, 38183, 41675, 43293, 45247, 48310, 56384, 59203, 59203],
  },
} satisfies Record<string, { fraud: number; cents: number[] }>;

export type Category = keyof typeof AMOUNTS;
