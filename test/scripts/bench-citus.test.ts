import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { citus, citusFigures, measureCitus, type Costs } from '../../scripts/bench/citus.js';
import { figuresJson, isMet } from '../../scripts/bench/figures.js';
import { usedBetween } from '../../scripts/bench/server-cpu.js';
import type { Bench } from '../../scripts/bench/set-up.js';
import { connect } from '../../src/database/connection.js';
import { readDatabaseUrl } from '../../src/environment/database-url.js';
import { createLog } from '../../src/log.js';

const url = process.env.TEST_CITUS_URL;
const BENCH_DATABASES = `select datname from pg_database where datname like current_database() || '\\_bench\\_citus\\_%'`;

/** Three chunks with this CPU of coordinator and workers. */
const costsOf = (workers: number, sessions: number, cpuMs?: number[]): Costs => ({
  workers,
  sessions,
  chunks: Array.from({ length: 3 }, () => ({ applyMs: 200, cpuMs })),
});

describe('the benchmark of a cluster', () => {
  it('compares the CPU of a plain server, of a coordinator and of its workers', () => {
    const costs = [
      costsOf(0, 2, [128]),
      costsOf(1, 2, [24, 150]),
      costsOf(2, 2, [25, 80, 75]),
      costsOf(2, 1, [20, 90, 60]),
    ];
    const figures = citusFigures(costs, { perShard: 13, besidesPerSession: 6 });
    expect(figuresJson(figures)).to.deep.include({
      plain_server_cpu_ms: 128,
      '1_worker_worker_1_cpu_ms': 150,
      '2_workers_coordinator_cpu_ms': 25,
      '2_workers_worker_2_cpu_ms': 75,
      '2_workers_apply_ms': { median: 200, p95: 200 },
      '2_workers_1_session_to_each_coordinator_cpu_ms': 20,
      coordinator_per_plain: 25 / 128,
      worker_per_only_worker: 80 / 150,
      coordinator_one_session: 0.8,
      worker_one_session: 90 / 80,
      statements_per_shard: 13,
      other_statements_per_session: 6,
    });
    const verdicts = figures.filter(({ target }) => target).map((each) => [each.key, isMet(each)]);
    expect(Object.fromEntries(verdicts)).to.deep.equal({
      '2_workers_coordinator_cpu_ms': true,
      coordinator_per_plain: true,
      worker_per_only_worker: true,
      statements_per_shard: false,
    });
  });

  it('gives the times on the clock alone where the CPU cannot be seen', () => {
    const costs = [costsOf(0, 2), costsOf(1, 2), costsOf(1, 1)];
    const figures = citusFigures(costs, { perShard: 10, besidesPerSession: 6 });
    expect(figures.map(({ key }) => key)).to.deep.equal([
      'plain_apply_ms',
      '1_worker_apply_ms',
      '1_worker_1_session_to_each_apply_ms',
      'statements_per_shard',
      'other_statements_per_session',
    ]);
  });

  it('counts the CPU of sessions that began in between, and says how many ended', () => {
    const before = new Map([
      [1, 100],
      [2, 50],
    ]);
    const after = new Map([
      [1, 130],
      [3, 7],
    ]);
    expect(usedBetween(before, after)).to.deep.equal({ ms: 37, ended: 1 });
  });

  it('says what is missing without a cluster', async () => {
    delete process.env.TEST_CITUS_URL;
    try {
      const error: unknown = await citus
        .measure({} as Bench, () => undefined)
        .catch((reason: unknown) => reason);
      expect(error).to.be.an('error').with.property('message').that.includes('TEST_CITUS_URL is missing');
    } finally {
      if (url !== undefined) process.env.TEST_CITUS_URL = url;
    }
  });

  it('applies the same chunks to a plain database and over a worker, counts statements, and leaves nothing', async function () {
    if (url === undefined) {
      process.stderr.write(
        '        skipped: TEST_CITUS_URL names no database in which Citus knows workers\n',
      );
      this.skip();
    }
    this.timeout(180_000);
    const { config } = readDatabaseUrl(url);
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-bench-citus-'));
    const said: string[] = [];
    const surroundings = {
      folder,
      signal: new AbortController().signal,
      log: createLog('error'),
      say: (text: string) => said.push(text),
    };
    try {
      const size = { chunks: 3, weights: 1000, mostWorkers: 1 };
      const { costs, statements } = await measureCitus(config, size, surroundings);
      expect(costs.map(({ workers, sessions }) => [workers, sessions])).to.deep.equal([
        [0, 2],
        [1, 2],
        [1, 1],
      ]);
      for (const { chunks, workers } of costs) {
        expect(chunks).to.have.length(2);
        for (const { applyMs, cpuMs } of chunks) {
          expect(applyMs).to.be.above(0);
          if (cpuMs !== undefined) expect(cpuMs.filter((ms) => ms > 0)).to.have.length(workers + 1);
        }
      }
      expect(statements.perShard).to.be.within(1, 12);
      expect(statements.besidesPerSession).to.be.above(0);
      expect(said[0]).to.match(/Citus \d.* workers/);
    } finally {
      await rm(folder, { recursive: true });
    }
    const client = await connect(config);
    try {
      expect((await client.query(BENCH_DATABASES)).rows).to.deep.equal([]);
    } finally {
      await client.end();
    }
  });
});
