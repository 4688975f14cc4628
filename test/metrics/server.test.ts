import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect } from 'chai';
import { choosePort } from '../../src/embedded/state.js';
import { serveMetrics } from '../../src/metrics/server.js';
import { logInto, type LogLine } from '../support/detector.js';

describe('metrics on a port of their own', () => {
  const log: LogLine[] = [];
  beforeEach(() => log.splice(0));
  const serve = (port?: number) =>
    serveMetrics({
      settings: { METRICS_HOST: '127.0.0.1', METRICS_PORT: port },
      log: logInto(log),
      command: 'produce',
      probes: { 'the object store': () => Promise.resolve() },
    });
  const statusOf = async (port: number, path: string) =>
    (await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' })).status;

  it('are served with the health, and without any page', async () => {
    const port = await choosePort();
    const close = await serve(port);
    try {
      for (const path of ['/metrics', '/healthz', '/readyz'])
        expect(await statusOf(port, path)).to.equal(200);
      for (const path of ['/', '/api/merchants', '/events']) expect(await statusOf(port, path)).to.equal(404);
      expect(log.map(({ msg }) => msg)).to.deep.equal([`metrics: http://127.0.0.1:${port}/metrics`]);
    } finally {
      await close();
    }
  });

  it('are not there if the port is in use, which one line says', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const close = await serve(port);
    expect(log).to.have.length(1);
    expect(log[0]).to.include({
      msg: 'no metrics: set METRICS_PORT to another port, one for each process, or to 0 for none',
      reason: `port ${port} is taken`,
    });
    await close();
    other.close();
  });

  it('are not there without a port, or with port 0', async () => {
    for (const port of [undefined, 0]) await (await serve(port))();
    expect(log).to.deep.equal([]);
  });
});
