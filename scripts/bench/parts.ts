import { apply } from './apply.js';
import { catchUp } from './catch-up.js';
import { dashboard } from './dashboard.js';
import { latency } from './latency.js';
import type { Part } from './part.js';
import { peers } from './peers/peers.js';

/** In the order in which they are measured. */
export const parts: readonly Part[] = [apply, dashboard, catchUp, peers, latency];
