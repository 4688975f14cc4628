import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { pipelineEvents } from '../../src/events.js';
import { choosePort } from '../../src/embedded/state.js';
import { serveMetrics } from '../../src/metrics/server.js';
import { logInto, until, type LogLine } from '../support/detector.js';

describe('metrics on a port of their own', () => {
  const log: LogLine[] = [];
  beforeEach(() => log.splice(0));
  const serve = (port?: number, pauseMs?: number) =>
    serveMetrics({
      settings: { METRICS_HOST: '127.0.0.1', METRICS_PORT: port },
      log: logInto(log),
      pauseMs,
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

  it('come once the port is free, which one line says before and one then; nothing is missed meanwhile', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const close = await serve(port, 20);
    try {
      expect(log).to.have.length(1);
      expect(log[0]).to.include({
        msg: 'no metrics yet, trying again: set METRICS_PORT to another port, one for each process, or to 0 for none',
        reason: `port ${port} is taken`,
      });
      pipelineEvents.publish('chunkProduced', { number: 1, rows: 7, isNew: true });
      await sleep(50); // some tries
      expect(log).to.have.length(1);
      other.close();
      await until('they are served', () => Promise.resolve(log.length > 1));
      expect(log[1]!.msg).to.equal(`metrics: http://127.0.0.1:${port}/metrics`);
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(metrics).to.match(/^bankpulse_rows_uploaded_total 7$/m);
    } finally {
      await close();
    }
    expect(await statusOf(port, '/metrics').catch(() => 'refused')).to.equal('refused');
  });

  it('are given up with the process, also while the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await (
      await serve(port, 20)
    )();
    other.close();
    await sleep(50);
    expect(await statusOf(port, '/metrics').catch(() => 'refused')).to.equal('refused');
    expect(log).to.have.length(1);
  });

  it('are not there without a port, or with port 0', async () => {
    for (const port of [undefined, 0]) await (await serve(port))();
    expect(log).to.deep.equal([]);
  });
});
