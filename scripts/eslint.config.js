import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const project = dirname(import.meta.dirname);

/** src/ from the bottom up: a module imports from its own folder and from the lines above its own. */
const layers = [
  ['errors.ts', 'events.ts'],
  ['text'],
  ['environment'],
  ['config.ts', 'log.ts'],
  ['async', 'csv'],
  ['database', 's3'],
  ['loader', 'generate'],
  ['embedded'],
  ['producer', 'detector'],
  ['audit', 'dashboard', 'doctor', 'metrics', 'terminal'],
  ['commands'],
  ['cli.ts'],
];
const placed = ['run.cjs', 'README.md', ...layers.flat()];
const unplaced = readdirSync(join(project, 'src')).filter((name) => !placed.includes(name));
if (unplaced.length > 0) throw new Error(`no layer has src/${unplaced.join(', src/')}`);
const inSrc = (names) => names.map((name) => join(project, 'src', name));
const importZones = layers.slice(0, -1).flatMap((layer, index) =>
  layer.map((name) => ({
    target: inSrc([name]),
    from: inSrc(
      layers
        .slice(index)
        .flat()
        .filter((other) => other !== name),
    ),
    message: 'Imports point downwards: see the layers in scripts/eslint.config.js.',
  })),
);

export default tseslint.config(
  { ignores: ['node_modules/', 'data/', '.bankpulse/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensionAlias: { '.js': ['.ts', '.js'] } })],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    languageOptions: {
      parserOptions: { project: './tsconfig.json', tsconfigRootDir: project },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      // chai's `expect(x).to.be.true` is an expression on purpose
      '@typescript-eslint/no-unused-expressions': 'off',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-restricted-paths': [
        'error',
        {
          zones: [
            ...importZones,
            {
              target: join(project, 'src'),
              from: [join(project, 'scripts'), join(project, 'test')],
              message: 'The product does not import its tools or tests.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: { globals: globals.node, sourceType: 'commonjs' },
  },
  {
    files: ['src/dashboard/browser/**/*.js'],
    languageOptions: { globals: globals.browser },
  },
  prettier,
);
