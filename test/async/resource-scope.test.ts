import { expect } from 'chai';
import { pino } from 'pino';
import type { CloseLater } from '../../src/async/resource-scope.js';
import { withResources, openResources } from '../../src/async/resource-scope.js';
import { messageOf } from '../../src/errors.js';

describe('closing', () => {
  let closed: string[];
  let told: string[];
  const log = pino(
    { level: 'warn' },
    { write: (line: string) => told.push((JSON.parse(line) as { reason: string }).reason) },
  );

  beforeEach(() => {
    closed = [];
    told = [];
  });

  /** Three things, of which the second cannot be closed. */
  const openThree = (closeLater: CloseLater) => {
    closeLater(() => void closed.push('first'));
    closeLater(() => Promise.reject(new Error('stuck')));
    closeLater(async () => {
      await Promise.resolve();
      closed.push('third');
    });
  };

  it('closes what was opened, the last first, also past one that does not close', async () => {
    const { name, close } = await openResources(log, (closeLater) => {
      openThree(closeLater);
      return Promise.resolve({ name: 'all' });
    });
    expect([name, closed]).to.deep.equal(['all', []]);
    await close();
    expect(closed).to.deep.equal(['third', 'first']);
    expect(told).to.deep.equal(['stuck']);
    await close(); // once is enough
    expect(closed).to.have.length(2);
  });

  it('closes what was opened when the next cannot be, whose error is the one to hear of', async () => {
    const opening = openResources(log, (closeLater) => {
      openThree(closeLater);
      return Promise.reject(new Error('no fourth'));
    });
    expect(await opening.catch(messageOf)).to.equal('no fourth');
    expect(closed).to.deep.equal(['third', 'first']);
  });

  it('closes after the work, and hands on what it gave or threw', async () => {
    const done = await withResources(log, (closeLater) => {
      openThree(closeLater);
      expect(closed).to.deep.equal([]);
      return Promise.resolve('done');
    });
    expect(done).to.equal('done');
    expect(closed).to.deep.equal(['third', 'first']);
    const failing = withResources(log, (closeLater) => {
      openThree(closeLater);
      throw new Error('failed');
    });
    expect(await failing.catch(messageOf)).to.equal('failed');
    expect(closed).to.have.length(4);
  });
});
