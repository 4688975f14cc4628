import { expect } from 'chai';
import { PollPause } from '../../src/detector/poll-pause.js';

describe('PollPause', () => {
  const pauses = (pause: PollPause, ...seconds: number[]) => seconds.map((second) => pause.at(second * 1000));

  it('is the interval for a minute without a new object, then grows to two seconds', () => {
    expect(pauses(new PollPause(250, 0), 0, 59.9, 60, 69, 70, 80, 90, 3600, 1e9)).to.deep.equal([
      250, 250, 500, 500, 1000, 2000, 2000, 2000, 2000,
    ]);
  });

  it('is the interval again with the first new object', () => {
    const pause = new PollPause(250, 0);
    expect(pause.at(100_000)).to.equal(2000);
    pause.seeNew(100_001);
    expect(pauses(pause, 100.1, 160, 161)).to.deep.equal([250, 250, 500]);
  });

  it('never is shorter than the interval', () => {
    expect(pauses(new PollPause(5000, 0), 0, 100, 1e6)).to.deep.equal([5000, 5000, 5000]);
    expect(pauses(new PollPause(1500, 0), 0, 61)).to.deep.equal([1500, 2000]);
    expect(pauses(new PollPause(0, 0), 0, 100)).to.deep.equal([0, 0]);
  });
});
