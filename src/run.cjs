'use strict';

/*
 * `node src/run.cjs FILE ARGUMENTS` runs a file of TypeScript, by tsx. What can be wrong before the first line of that
 * file is said here in one line; Node and tsx would print a stack. It is CommonJS with an old syntax, so that a Node which
 * is too old gets to the line that says so.
 */
const { existsSync, mkdirSync, statSync } = require('fs');
const { homedir, hostname, tmpdir } = require('os');
const { dirname, join, resolve } = require('path');
const { pathToFileURL } = require('url');

const projectDir = dirname(__dirname);

/** On a terminal in words, elsewhere as a line of the log, as src/text/log-line.ts has it. */
function refuse(problem) {
  const line = { level: 60, time: new Date().toISOString(), host: hostname(), msg: problem };
  process.stderr.write(process.stderr.isTTY ? `error: ${problem}\n` : `${JSON.stringify(line)}\n`);
  process.exit(1);
}

function checkNode() {
  const numbers = (version) => version.match(/\d+/g).map(Number);
  const needed = require('../package.json').engines.node;
  const [major, minor] = numbers(process.versions.node);
  const [leastMajor, leastMinor] = numbers(needed);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  refuse(
    `this is Node ${process.versions.node}, BankPulse needs ${needed}: install a newer one from nodejs.org`,
  );
}

/** tsx takes what follows a ? for a query, and Node refuses to load a module from a path with a backslash. */
function checkPath() {
  const found = /[?\\]/.exec(projectDir);
  if (found)
    refuse(
      `Node cannot run this from a path with a ${found[0]} in it: move the project, which is in ${projectDir}`,
    );
}

/**
 * tsx keeps what it has translated in this folder, and ends with a stack, or never, if it cannot make it. Without the
 * folder a start takes 0.2 s longer.
 */
function checkCache() {
  if (!process.geteuid) return; // Windows
  const folder = join(tmpdir(), `tsx-${process.geteuid()}`);
  try {
    if (!existsSync(folder)) mkdirSync(folder);
    if (statSync(folder).isDirectory()) return;
  } catch {
    // it cannot be made
  }
  process.env.TSX_DISABLE_CACHE = '1';
}

/** The AWS SDK looks for its files in the user's home, and ends with a stack if a user without a name has none. */
function checkHome() {
  try {
    homedir();
  } catch {
    process.env.HOME = '/';
  }
}

/** Whether the error says that a package is not installed, or for another machine or user. A fault of the file is none. */
const isAboutPackages = (error) =>
  error.code === 'ERR_MODULE_NOT_FOUND' ||
  (/esbuild/.test(error.stack) && !/^Transform failed/.test(error.message));

checkNode();
checkPath();
checkCache();
checkHome();
process.argv.splice(1, 2, resolve(process.argv[2]));
import('tsx/esm/api')
  .then(({ register }) => {
    register();
    return import(pathToFileURL(process.argv[1]).href);
  })
  .catch((error) => {
    if (!isAboutPackages(error)) throw error;
    const reason = String(error.message).trim().split('\n')[0] || 'esbuild does not run';
    refuse(
      `a package cannot be loaded (${reason}): run "npm ci" in ${projectDir}, on this machine, and so that this user may ` +
        'read and run what it installs',
    );
  });
