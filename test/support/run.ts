import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setUp, tearDown } from './hooks.js';

/**
 * `npm test`: runs the files that may run beside each other, then those that run alone. The servers and the program are
 * made once for both.
 */
async function run(script: string): Promise<boolean> {
  const child = spawn('npm', ['run', '--silent', script], { stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0;
}

// Ctrl-C ends mocha, after which this process has to tidy up
process.on('SIGINT', () => undefined);
try {
  await setUp({ isShared: true });
  const results = [await run('test:together'), await run('test:alone')];
  process.exitCode = results.every(Boolean) ? 0 : 1;
} finally {
  await tearDown();
}
