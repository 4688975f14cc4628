import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { projectDir } from '../config.js';

const browserDir = join(projectDir, 'src', 'dashboard', 'browser');
const packagesDir = join(projectDir, 'node_modules');

/** The libraries of the page: files of npm packages, as they are. */
const libraries: Record<string, string> = {
  '/vendor/preact.js': 'preact/dist/preact.mjs',
  '/vendor/htm.js': 'htm/dist/htm.mjs',
  '/vendor/uplot.js': 'uplot/dist/uPlot.esm.js',
  '/vendor/uplot.css': 'uplot/dist/uPlot.min.css',
};

/** Serves the page itself and its libraries as files, without a build step. */
export async function serveAssets(server: FastifyInstance): Promise<void> {
  await server.register(fastifyStatic, {
    root: browserDir,
    // browsers ask each time whether a file has changed, so that the page always matches the server
    cacheControl: false,
    setHeaders: (response) => {
      void response.setHeader('cache-control', 'no-cache');
    },
    dotfiles: 'deny',
    globIgnore: ['**/*.json'],
    wildcard: false,
  });
  for (const [path, file] of Object.entries(libraries)) {
    server.get(path, (_request, reply) => reply.sendFile(file, packagesDir));
  }
}
