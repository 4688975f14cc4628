import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { projectDir } from '../../src/config.js';

const unit = join(projectDir, 'scripts', 'bankpulse@.service');

function analyze(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

describe('the unit for systemd', () => {
  it('starts what the scripts of package.json start, and is not started again after exit code 2', async () => {
    const text = await readFile(unit, 'utf8');
    const { scripts } = JSON.parse(await readFile(join(projectDir, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const [, command] = /^ExecStart=\/usr\/bin\/env (.*)$/m.exec(text)!;
    for (const name of ['detect', 'start'])
      expect(scripts[name]).to.equal(`exec ${command!.replace('%i', name)}`);
    expect(text)
      .to.match(/^Restart=on-failure$/m)
      .and.to.match(/^RestartPreventExitStatus=2$/m);
  });

  it('is clean by systemd-analyze, and hardened', function () {
    if (spawnSync('systemd-analyze', ['--version']).error) {
      process.stderr.write('not tested: there is no systemd-analyze\n');
      this.skip();
    }
    expect(analyze('verify', unit)).to.deep.equal({ status: 0, output: '' });
    const { output } = analyze('security', '--offline=true', '--threshold=20', unit);
    expect(Number(/exposure level for \S+: ([\d.]+)/.exec(output)?.[1])).to.be.at.most(2);
  });
});
