import { readdir } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { Kysely } from 'kysely';
import { projectDir } from '../config.js';
import type { DashboardViews } from './dashboard-views.js';

/** What a pattern adds to the data of the pages, as JSON. README.md describes the half in the browser. */
export interface PatternPart {
  /** For its cards on the page of all merchants. */
  readMerchants?(views: Kysely<DashboardViews>): Promise<unknown>;
  /** For the page of one merchant. */
  readMerchant?(views: Kysely<DashboardViews>, merchantId: string): Promise<unknown>;
}

export interface PatternParts {
  /** By the name of the part. */
  server: ReadonlyMap<string, PatternPart>;
  /** The names of the parts that have a module for the browser. */
  browser: ReadonlySet<string>;
}

/** A part has the name of the pattern's match function without `match_`. */
export function partNameOf(matchFunction: string): string {
  return matchFunction.replace(/^match_/, '');
}

/** Finds the parts by their files, so that no other file names a pattern. */
export async function loadPatternParts(): Promise<PatternParts> {
  const folder = join(projectDir, 'src', 'dashboard');
  const server = new Map<string, PatternPart>();
  for (const file of await readdir(join(folder, 'patterns'))) {
    const { name } = parse(file);
    server.set(name, ((await import(`./patterns/${name}.ts`)) as { part: PatternPart }).part);
  }
  const modules = await readdir(join(folder, 'browser', 'patterns'));
  return { server, browser: new Set(modules.map((file) => parse(file).name)) };
}

/** The data of every part that has some, by the name of the part. */
export async function readParts(
  { server }: PatternParts,
  read: (part: PatternPart) => Promise<unknown> | undefined,
): Promise<Record<string, unknown>> {
  const data: Record<string, unknown> = {};
  for (const [name, part] of server) data[name] = await read(part);
  return data;
}
