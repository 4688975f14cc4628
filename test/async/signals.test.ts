import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';

describe('interruptSignal', () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-'))));
  after(() => rm(folder, { recursive: true, force: true }));

  it('ends the process with the second signal, though a call of the file system never returns', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const signals = pathToFileURL(join(projectDir, 'src', 'async', 'signals.ts')).href;
    const program = join(folder, 'program.ts');
    await writeFile(
      program,
      `import { createReadStream } from 'node:fs';
       import { interruptSignal } from ${JSON.stringify(signals)};
       const signal = interruptSignal();
       createReadStream(${JSON.stringify(pipe)}, { signal }).on('error', () => undefined);
       signal.addEventListener('abort', () => process.stdout.write('told to end'));
       process.stdout.write('ready');
       setInterval(() => undefined, 1000);`,
    );
    const child = spawn(process.execPath, ['--import', 'tsx', program], {
      cwd: projectDir,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    await once(child.stdout, 'data');
    await sleep(1100);
    child.kill('SIGTERM');
    expect(await ended).to.deep.equal([null, 'SIGTERM']);
  }).timeout(20_000);
});
