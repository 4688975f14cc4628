import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectDir } from '../../src/config.js';

const packageJson = readFileSync(join(projectDir, 'package.json'), 'utf8');
const { scripts } = JSON.parse(packageJson) as { scripts: { detect: string } };

/**
 * The options of Node with which package.json starts Y; scripts/bankpulse@.service has the same. Without a bound Node lets
 * garbage grow to four times what is alive before it looks: Y would take up to 260 MB for some 30 MB of heap. It never
 * comes near the bound itself. The first size of the old space keeps V8 from collecting all garbage with every third
 * chunk: it counts their bytes, which lie beside its heap. scripts/README.md says what that costs.
 */
export const nodeOptions: readonly string[] = scripts.detect
  .split(' ')
  .filter((word) => word.startsWith('--'));
