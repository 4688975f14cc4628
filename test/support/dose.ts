/**
 * How much of what is dear: `npm run test:soak` (TEST_DOSE=large) gives the full figures of kills, backlogs, listings and
 * random input; `npm test` a little of each.
 */
export const isLargeDose = process.env.TEST_DOSE === 'large';

/** The objects of a page of a listing, in tests of more than one page. In the large dose as many as of real stores. */
export const PAGE = isLargeDose ? 1000 : 10;
