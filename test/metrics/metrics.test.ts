import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import fastify, { type FastifyInstance } from 'fastify';
import parse from 'parse-prometheus-text-format';
import { projectDir, version } from '../../src/config.js';
import { pipelineEvents } from '../../src/events.js';
import { createLog } from '../../src/log.js';
import { secure } from '../../src/dashboard/security.js';
import { metricsRoutes, type MetricsRoutesOptions } from '../../src/metrics/routes.js';
import { probeDatabase, probeObjectStore } from '../../src/metrics/probes.js';
import { produce } from '../../src/producer/producer.js';
import { retryForever } from '../../src/async/retry.js';
import { children, csv, until, useDetector } from '../support/detector.js';

describe('the metrics', () => {
  const mechanismY = useDetector();
  let server: FastifyInstance;
  let url: string;
  let isDatabaseUp = true;
  let isStoreUp = true;

  beforeEach(async () => {
    isDatabaseUp = true;
    isStoreUp = true;
    server = fastify();
    await secure(server, { host: '127.0.0.1', allowed: [] });
    const askDatabase = probeDatabase(mechanismY.database.config);
    const askStore = probeObjectStore(mechanismY.s3.store, mechanismY.prefix);
    const probes: MetricsRoutesOptions['probes'] = {
      'the database': () => (isDatabaseUp ? askDatabase() : Promise.reject(new Error('refused'))),
      'the object store': () => (isStoreUp ? askStore() : Promise.reject(new Error('refused'))),
    };
    await server.register(metricsRoutes, { command: 'detect', probes });
    url = await server.listen({ host: '127.0.0.1', port: 0 });
  });
  afterEach(() => server.close());

  async function scrape() {
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const families = parse(text);
    // the parser lets labels of histograms go; without their type it reads them as samples like any other
    const plain = parse(text.replaceAll(/^# TYPE \S+ histogram$/gm, ''));
    /** Samples by the value of their only label; '' without one. */
    const values = (name: string) => {
      const samples = plain.filter((one) => one.name === name).flatMap(({ metrics }) => metrics);
      return Object.fromEntries(
        samples.map(({ labels, value }) => [Object.values(labels ?? {}).join(), Number(value)]),
      );
    };
    return {
      families,
      values,
      value: (name: string) => values(name)[''] ?? expect.fail(`${name} has no value`),
      counts: (name: string) => values(`${name}_count`),
      sum: (name: string) => Object.values(values(`${name}_sum`)).reduce((total, sum) => total + sum, 0),
    };
  }

  const ready = async () => {
    const response = await fetch(`${url}/readyz`);
    return [response.status, await response.text()];
  };

  const countsOf = (dump: Awaited<ReturnType<typeof scrape>>) => ({
    chunks_applied: dump.value('bankpulse_chunks_applied_total'),
    chunks_quarantined: dump.value('bankpulse_chunks_quarantined_total'),
    rows_applied: dump.value('bankpulse_rows_applied_total'),
    rows_rejected: dump.value('bankpulse_rows_rejected_total'),
    detections: dump.values('bankpulse_detections_total'),
    batches_exported: dump.value('bankpulse_batches_written_total'),
  });

  it('have after a run the figures of the database', async () => {
    await mechanismY.put(1, children(1, 30));
    await mechanismY.put(
      2,
      csv('a,F,bar,1', 'b,F,bar,1', 'c,F,bar,1', ...'defgh'.split('').map((c) => `${c},M,bar,1`)),
    );
    await mechanismY.put(3, csv('a,F,bar,not a number', ',F,bar,1', 'a,F,bar,400'));
    await mechanismY.put(4, '');
    await mechanismY.put(5, children(5, 40));
    expect(countsOf(await scrape()).chunks_applied).to.equal(0);
    await mechanismY.detectOnce();

    const dump = await scrape();
    const { rows } = await mechanismY.database.client.query<{ status: Record<string, unknown> }>(
      `select to_jsonb(pipeline_status) as status from bankpulse.pipeline_status`,
    );
    const { status } = rows[0]!;
    // every enabled pattern has a series from the start: Prometheus's increase() needs the 0 before the first detection
    expect(status.detections).to.deep.equal({ PatId1: 0, PatId2: 70, PatId3: 1 });
    expect(status).to.deep.include({
      chunks_applied: 4,
      chunks_quarantined: 1,
      rows_rejected: 2,
      batches_exported: 2,
    });
    expect(status).to.deep.include(countsOf(dump));
    expect(dump.value('bankpulse_batch_rows_written_total')).to.equal(71);
  });

  it('time every step of every chunk, in seconds, as the ledger has it in milliseconds', async () => {
    await mechanismY.put(1, children(1, 30));
    await mechanismY.put(2, children(2, 30));
    await mechanismY.detectOnce();
    const dump = await scrape();
    const { rows } = await mechanismY.database.client.query<{ step: string; ms: string }>(
      `select step.key as step, sum(step.value::numeric) as ms
       from bankpulse.chunks, jsonb_each_text(timings) as step group by step.key`,
    );
    expect(rows.length).to.be.greaterThan(4);
    expect(dump.counts('bankpulse_step_duration_seconds')).to.deep.equal(
      Object.fromEntries(rows.map(({ step }) => [step, 2])),
    );
    const total = rows.reduce((sum, { ms }) => sum + Number(ms) / 1000, 0);
    expect(dump.sum('bankpulse_step_duration_seconds')).to.be.closeTo(total, 1e-6);
    expect(dump.counts('bankpulse_chunk_duration_seconds')).to.deep.equal({ '': 2 });
    expect(dump.sum('bankpulse_chunk_duration_seconds')).to.be.within(total, total + 5);
  });

  it('count what mechanism X writes, but not what was there', async () => {
    const path = join(mechanismY.folder, 'transactions.csv');
    await writeFile(path, csv(...Array.from({ length: 25 }, () => 'c,F,m,1')));
    const run = () =>
      produce({
        store: mechanismY.s3.store,
        settings: {
          TRANSACTIONS_CSV: path,
          CHUNKS_PREFIX: `${mechanismY.prefix}chunks/`,
          CHUNK_ROWS: 10,
          CHUNK_INTERVAL_MS: 0,
        },
        log: createLog('error'),
      });
    await run();
    await run();
    const dump = await scrape();
    expect(dump.value('bankpulse_chunks_uploaded_total')).to.equal(3);
    expect(dump.value('bankpulse_rows_uploaded_total')).to.equal(25);
    expect(dump.counts('bankpulse_upload_duration_seconds')).to.deep.equal({ '': 3 });
  });

  it('show the lag while a gap is waited for, and none of a Y that does not work', async () => {
    await mechanismY.put(1, children(1, 1));
    await mechanismY.put(3, children(3, 1));
    await mechanismY.put(4, children(4, 1));
    const lags = async () => {
      const { families } = await scrape();
      return ['bankpulse_lag_chunks', 'bankpulse_lag_seconds'].map(
        (name) =>
          families.find((family) => family.name === name)?.metrics.map(({ value }) => Number(value)) ?? [],
      );
    };
    expect(await lags()).to.deep.equal([[], []]);
    const detector = mechanismY.startDetector({ GAP_TIMEOUT_MS: 60_000 });
    await mechanismY.untilApplied(1);
    const [chunks, seconds] = await until('two chunks wait', async () => {
      const seen = await lags();
      return seen[0]![0] === 2 && seen;
    });
    expect(chunks).to.deep.equal([2]);
    expect(seconds![0]).to.be.greaterThan(0).and.below(60);
    await until('time passes', async () => (await lags())[1]![0]! > seconds![0]!);
    await detector.stop();
    expect(await lags()).to.deep.equal([[], []]);
  });

  it('show no lag, instead of 0, once the last listing is old, and when it was', async () => {
    const before = Date.now() / 1000;
    pipelineEvents.publish('listed', { pendingCount: 0, oldestPendingAt: null, validMs: 300 });
    const dump = await scrape();
    expect([dump.value('bankpulse_lag_seconds'), dump.value('bankpulse_lag_chunks')]).to.deep.equal([0, 0]);
    await until(
      'it is unknown',
      async () => (await scrape()).values('bankpulse_lag_seconds')[''] === undefined,
    );
    const later = await scrape();
    expect(later.values('bankpulse_lag_chunks')).to.deep.equal({});
    expect(later.value('bankpulse_last_listing_timestamp_seconds')).to.be.within(before, Date.now() / 1000);
  });

  it('show what the database has of all runs, and the version and the run', async () => {
    const series = async (name: string) => (await scrape()).values(name)[''];
    expect(await series('bankpulse_is_working'), 'without a mechanism Y').to.equal(undefined);
    await mechanismY.put(1, '');
    await mechanismY.put(2, children(2, 1));
    await mechanismY.detectOnce();
    expect(await series('bankpulse_is_working')).to.equal(0);
    expect(await series('bankpulse_objects_quarantined')).to.equal(undefined);
    const { client } = mechanismY.database;
    const { rows } = await client.query<{ at: Date; run: string }>(
      'select applied_at as at, run_id as run from bankpulse.chunks where chunk_no = 1',
    );
    mechanismY.startDetector();
    await until('it has read them', async () => (await series('bankpulse_objects_quarantined')) === 1);
    expect(await series('bankpulse_files_to_write')).to.equal(0);
    expect(await series('bankpulse_last_chunk_timestamp_seconds')).to.be.closeTo(
      rows[0]!.at.getTime() / 1000,
      0.001,
    );
    const { families } = await scrape();
    const [info] = families.find(({ name }) => name === 'bankpulse_info')!.metrics;
    expect(info!.value).to.equal('1');
    expect(info!.labels).to.deep.equal({ version, command: 'detect', run: String(Number(rows[0]!.run) + 1) });
  });

  it('show a pattern that is added while it runs with a 0 first', async () => {
    pipelineEvents.publish('patternsKnown', ['PatId1']);
    const apply = (detections: Record<string, number>) =>
      pipelineEvents.publish('chunkApplied', {
        ...{ chunkNo: 1, rowCount: 1, rejectedCount: 0, detections },
        ...{ stepSeconds: {}, seconds: 0 },
      });
    apply({ PatId1: 3, PatId4: 5 });
    apply({ PatId1: 1, PatId4: 2 });
    const counts = async () => (await scrape()).values('bankpulse_detections_total');
    expect(await counts()).to.deep.equal({ PatId1: 4, PatId4: 0 });
    expect(await counts()).to.deep.equal({ PatId1: 4, PatId4: 7 });
    apply({ PatId1: 0, PatId4: 1 });
    expect(await counts()).to.deep.equal({ PatId1: 4, PatId4: 8 });
  });

  it('begin at 0 with the process, those by step and service too', async () => {
    const dump = await scrape();
    expect(dump.counts('bankpulse_step_duration_seconds')).to.deep.equal({
      ...{ copy: 0, accept: 0, pairs: 0, merchants: 0, detect: 0 },
    });
    expect(dump.values('bankpulse_retries_total')).to.deep.equal({ database: 0, object_store: 0 });
    for (const { name, type } of dump.families.filter((family) => family.name.startsWith('bankpulse_')))
      if (type === 'COUNTER' && !/detections|retries/.test(name)) expect(dump.value(name), name).to.equal(0);
  });

  it('count failed attempts by service, and show trouble until it is over', async () => {
    const attempts: number[] = [];
    const work = async () => {
      const dump = await scrape();
      attempts.push(dump.values('bankpulse_service_in_trouble').object_store!);
      if (attempts.length < 3) throw new Error('not yet');
    };
    const log = createLog('fatal');
    await retryForever('object_store', { log, isTransient: () => true }, work);
    const dump = await scrape();
    expect(attempts).to.deep.equal([0, 1, 1]);
    expect(dump.values('bankpulse_service_in_trouble')).to.deep.equal({ database: 0, object_store: 0 });
    expect(dump.values('bankpulse_retries_total')).to.deep.equal({ database: 0, object_store: 2 });
  });

  it('have names and helps as Prometheus wants them, and those of the process', async () => {
    const { families } = await scrape();
    const ours = families.filter(({ name }) => name.startsWith('bankpulse_'));
    expect(ours).to.have.length.greaterThan(15);
    for (const { name, help, type } of ours) {
      expect(help, name).to.match(/^[A-Z0-9].*\.$/);
      expect(name.endsWith('_total'), name).to.equal(type === 'COUNTER');
      if (type === 'HISTOGRAM') expect(name).to.match(/_seconds$/);
    }
    expect(families.map(({ name }) => name)).to.include.members([
      'process_resident_memory_bytes',
      'nodejs_heap_size_used_bytes',
      'process_cpu_seconds_total',
    ]);
  });

  it('are all that the alerts ask for', async () => {
    const alerts = await readFile(join(projectDir, 'scripts', 'alerts.yml'), 'utf8');
    const asked = alerts.match(/bankpulse_[a-z_]+/g)!;
    expect(asked).to.have.length.greaterThan(10);
    expect((await scrape()).families.map(({ name }) => name)).to.include.members(asked);
  });

  it('are all on the Grafana dashboard, which asks for no other', async () => {
    const dashboard = await readFile(join(projectDir, 'scripts', 'grafana-dashboard.json'), 'utf8');
    const { panels } = JSON.parse(dashboard) as { panels: { targets: { expr: string }[] }[] };
    const asked = panels
      .flatMap(({ targets }) => targets.flatMap(({ expr }) => expr.match(/[a-z_]+(?=\{)/g) ?? []))
      .map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    const names = (await scrape()).families.map(({ name }) => name);
    expect(names).to.include.members(asked);
    expect(asked).to.include.members(names.filter((name) => name.startsWith('bankpulse_')));
  });

  it('end with the server: nobody listens any more', async () => {
    const listeners = () =>
      pipelineEvents.eventNames().reduce((count, name) => count + pipelineEvents.listenerCount(name), 0);
    const during = listeners();
    await server.close();
    expect(during - listeners()).to.equal(14);
  });

  describe('/healthz and /readyz', () => {
    it('say that it lives, and when it is ready', async () => {
      expect((await fetch(`${url}/healthz`)).status).to.equal(200);
      expect(await ready()).to.deep.equal([503, 'not ready: mechanism Y is starting\n']);
      const detector = mechanismY.startDetector();
      await until('it is ready', async () => (await ready())[0] === 200);
      expect(await ready()).to.deep.equal([200, 'ready: working\n']);
      expect((await scrape()).value('bankpulse_is_working')).to.equal(1);
      isDatabaseUp = false;
      expect(await ready()).to.deep.equal([503, 'not ready: the database does not answer\n']);
      expect((await fetch(`${url}/healthz`)).status).to.equal(200);
      isStoreUp = false;
      expect(await ready()).to.deep.equal([
        503,
        'not ready: the database and the object store do not answer\n',
      ]);
      isDatabaseUp = true;
      expect(await ready()).to.deep.equal([503, 'not ready: the object store does not answer\n']);
      isStoreUp = true;
      await detector.stop();
      expect(await ready()).to.deep.equal([503, 'not ready: mechanism Y has ended\n']);
      expect((await scrape()).value('bankpulse_is_working')).to.equal(0);
    });

    it('count one that stands by as ready', async () => {
      const { client } = mechanismY.database;
      await client.query('select pg_advisory_lock(4242001)'); // as another Y that works
      mechanismY.startDetector();
      await until('it stands by', async () => (await ready())[0] === 200);
      expect(await ready()).to.deep.equal([200, 'ready: standing by\n']);
    });

    it('answer under any host name, as the metrics do', async () => {
      for (const path of ['/metrics', '/healthz'])
        for (const host of ['bankpulse:8080', '192.0.2.1:9090', 'evil.example'])
          expect((await server.inject({ path, headers: { host } })).statusCode, `${host}${path}`).to.equal(
            200,
          );
      const { statusCode } = await server.inject({ path: '/readyz', headers: { host: 'bankpulse:8080' } });
      expect(statusCode).to.equal(503);
      expect((await server.inject({ path: '/', headers: { host: 'bankpulse:8080' } })).statusCode).to.equal(
        403,
      );
    });

    it('of mechanism X say whether the bucket answers', async () => {
      await server.close();
      server = fastify();
      const probes = { 'the object store': probeObjectStore(mechanismY.s3.store, mechanismY.prefix) };
      await server.register(metricsRoutes, { command: 'produce', probes });
      url = await server.listen({ host: '127.0.0.1', port: 0 });
      expect(await ready()).to.deep.equal([200, 'ready: producing\n']);
    });

    it('do not wait for a database that hangs', async () => {
      await server.close();
      server = fastify();
      await server.register(metricsRoutes, {
        command: 'detect',
        probes: { 'the database': () => new Promise(() => undefined) },
      });
      url = await server.listen({ host: '127.0.0.1', port: 0 });
      const start = performance.now();
      expect(await ready()).to.deep.equal([503, 'not ready: the database does not answer\n']);
      expect(performance.now() - start).to.be.below(4000);
    });
  });
});
