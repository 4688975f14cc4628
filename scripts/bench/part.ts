import type { Bench } from './context.js';
import type { Figure } from './figures.js';

/** One of the things that are measured. */
export interface Part {
  /** For `--only`, and with `_` for `-` in the JSON. */
  name: string;
  /** What it measures, and how: the lines that stand above its figures. */
  about: string;
  /** Nothing is measured on the input. */
  hasOwnInput?: true;
  measure(bench: Bench): Promise<Figure[]>;
}
