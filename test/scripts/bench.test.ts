import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { CommanderError } from 'commander';
import { projectDir } from '../../src/config.js';
import { ADVISORY_LOCK } from '../../src/database/advisory-locks.js';
import { main } from '../../scripts/bench.js';
import { applyFigures, dashboardFigures } from '../../scripts/bench/apply.js';
import { figure, figuresJson, isMet, spread, targetLines, targetsJson } from '../../scripts/bench/figures.js';
import type { Figure } from '../../scripts/bench/figures.js';
import { growthFigures, growthPart, type GrowthStage } from '../../scripts/bench/growth.js';
import { BARE_HEADER, CHUNK_ROWS, openInput } from '../../scripts/bench/input.js';
import { readOptions } from '../../scripts/bench/options.js';
import { peerFigures } from '../../scripts/bench/peers.js';
import type { ChunkTiming } from '../../scripts/bench/timed-lane.js';
import { UsageError, UserError } from '../../src/errors.js';
import { generate } from '../../src/generate/generate.js';
import { isLargeDose } from '../support/dose.js';
import { useDatabase } from '../support/database.js';
import { run } from '../support/process.js';
import { testObjectStore, type TestObjectStore } from '../support/s3.js';

/** Adds 1,000 rows at the top, in which PatId2 finds ten customers: two full files of five. */
async function addDetections(transactionsCsv: string): Promise<void> {
  const [header, ...rows] = (await readFile(transactionsCsv, 'utf8')).split('\n');
  const added = Array.from(
    { length: 1000 },
    (_, index) => `0,'C${index % 10}','3','F','28007','M1','28007','es_food',1.50,0`,
  );
  await writeFile(transactionsCsv, [header, ...added, ...rows].join('\n'));
}

/** What a wrong command line ends with. */
function refusalOf(args: readonly string[]): { code: number; stdout: string; stderr: string } {
  let [stdout, stderr] = ['', ''];
  try {
    readOptions(args, ['apply', 'peers'], {
      writeOut: (text) => (stdout += text),
      writeErr: (text) => (stderr += text),
    });
  } catch (error) {
    if (error instanceof CommanderError) return { code: error.exitCode, stdout, stderr };
    throw error;
  }
  throw new Error(`${args.join(' ')} was not refused`);
}

function figureOf(figures: readonly Figure[], key: string): Figure {
  return figures.find((figure) => figure.key === key)!;
}

describe('npm run bench', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-bench-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  describe('its options', () => {
    it('refuse one file without the other, and leave it as it is', async () => {
      const file = join(folder, 'mine.csv');
      await writeFile(file, 'mine');
      const { code, stdout, stderr } = await run(['--transactions', file], {}, main);
      expect({ code, stdout, stderr }).to.deep.equal({
        code: 2,
        stdout: '',
        stderr: 'error: --transactions and --importance go together\n',
      });
      expect(await readFile(file, 'utf8')).to.equal('mine');
    });

    it('refuse what they cannot mean', () => {
      for (const [args, message] of [
        [
          ['--only', 'apply,nothing'],
          "error: option '--only <parts>' argument 'apply,nothing' is invalid. Choose from apply,peers.\n",
        ],
        [['--sometimes'], "error: unknown option '--sometimes'\n"],
        [['--rounds', '0'], "error: option '--rounds <n>' argument '0' is invalid. From 1 to 99.\n"],
        [['--importance', 'i.csv'], 'error: --transactions and --importance go together\n'],
        [
          ['--growth', '--only', 'apply'],
          'error: --growth has a stream of its own, and excludes the other parts\n',
        ],
      ] as const) {
        const { code, stdout, stderr } = refusalOf(args);
        expect({ code, stdout, stderr }).to.deep.equal({ code: 2, stdout: '', stderr: message });
      }
    });

    it('refuse too short a growth', () => {
      expect(() => growthPart(Number(readOptions(['--growth', '5'], []).growth))).to.throw(
        UsageError,
        'the rows of the growing stream must be whole millions',
      );
    });
  });

  it('does not begin with a file that the bare COPY cannot take', async () => {
    const transactions = join(folder, 'four.csv');
    await writeFile(transactions, 'customer,gender,merchant,amount\nC1,F,M1,1\n');
    const opening = openInput({ transactions, importance: 'i.csv' }, folder, new AbortController().signal);
    const error: unknown = await opening.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(UserError);
    expect((error as UserError).message).to.equal(
      `--transactions (${transactions}): the benchmark needs BankSim's columns, ${BARE_HEADER}`,
    );
  });

  describe('its figures', () => {
    /** Chunk n, from 1: 20 ms bare, 40 ms applied and 100 pairs; from the 21st on twice as much of both. */
    const timings = Array.from({ length: 30 }, (_, index): ChunkTiming => {
      const factor = index < 20 ? 1 : 2;
      return {
        rows: CHUNK_ROWS,
        pairs: 100 * factor,
        bareMs: 20,
        bareCpuMs: 10,
        applyMs: 40 * factor,
        applyCpuMs: 30 * factor,
        steps: { copy: 10, pairs: 30 * factor },
      };
    });
    const short: ChunkTiming = {
      rows: 1,
      pairs: 1,
      bareMs: 500,
      applyMs: 9000,
      steps: { copy: 1, pairs: 1 },
    };

    it('are ratios of medians of full chunks, also per touched pair', () => {
      expect(figuresJson(applyFigures([...timings, short]))).to.deep.include({
        full_chunks: 30,
        bare_copy_ms: { median: 20, p95: 20 },
        apply_ms: { median: 40, p95: 80 },
        apply_per_bare_copy: 2,
        bare_copy_cpu_ms: { median: 10, p95: 10 },
        apply_cpu_ms: { median: 30, p95: 60 },
        apply_per_bare_copy_cpu: 3,
        last_ten_cpu_ms: { median: 60, p95: 60 },
        chunks_6_to_15_ms: { median: 40, p95: 40 },
        last_ten_ms: { median: 80, p95: 80 },
        us_per_pair: { median: 400, p95: 400 },
        chunks_6_to_15_us_per_pair: { median: 400, p95: 400 },
        last_ten_us_per_pair: { median: 400, p95: 400 },
        last_ten_per_chunks_6_to_15_per_pair: 1,
        step_copy_ms: { median: 10, p95: 10 },
        step_pairs_ms: { median: 30, p95: 60 },
      });
    });

    it('stand beside their targets', () => {
      const figures = applyFigures(timings.map((timing) => ({ ...timing, applyMs: 3 * timing.applyMs })));
      expect(targetsJson('apply', figures)).to.deep.equal([
        { figure: 'apply.apply_per_bare_copy', value: 6, target: { most: 2.5 }, is_met: false },
        { figure: 'apply.apply_per_bare_copy_cpu', value: 3, target: { most: 3.9 }, is_met: true },
        {
          figure: 'apply.last_ten_per_chunks_6_to_15_per_pair',
          value: 1,
          target: { most: 1.1 },
          is_met: true,
        },
      ]);
      expect(targetLines(figures).map((line) => line.replace(/ {2,}/g, '|'))).to.deep.equal([
        '|apply / bare COPY|6.00|at most 2.5|not met',
        '|apply / bare COPY, processor time|3.00|at most 3.9|met',
        '|last ten / chunks 6 to 15, per touched pair|1.00|at most 1.1|met',
      ]);
    });

    it('may have to reach a target by their p99, or by being large', () => {
      const value = { median: 1, p95: 2, p99: 3 };
      expect(isMet(figure('key', 'what', 'ms', value, { most: 3, of: 'p99' }))).to.be.true;
      expect(isMet(figure('key', 'what', 'ms', value, { most: 2.9, of: 'p99' }))).to.be.false;
      expect(isMet(figure('key', 'what', 'ms', 0.45, { least: 0.45 }))).to.be.true;
      expect(isMet(figure('key', 'what', 'ms', 0.44, { least: 0.45 }))).to.be.false;
    });

    it('compare chunks with the dashboard open and closed by their pairs, the first ten left out', () => {
      const course = Array.from({ length: 59 }, (_, index) => timings[Math.min(index, 20)]!);
      // from the 23rd to the 46th it is open
      const slower = course.map((timing, index) => ({
        ...timing,
        applyMs: timing.applyMs * (index < 10 || index > 57 ? 100 : index >= 22 && index < 46 ? 1.5 : 1),
      }));
      const [openPerClosed] = dashboardFigures(slower);
      expect(openPerClosed!.value).to.be.closeTo(1.5, 1e-9);
      expect(isMet(openPerClosed!)).to.be.false;
      expect(isMet(dashboardFigures(course)[0]!)).to.be.true;
      expect(dashboardFigures(course.slice(0, 22))[0]!.value).to.equal(undefined);
    });

    it('compare a peer with BankPulse by the same late chunks', () => {
      const msOf = (from: number, ms: (chunk: number) => number) =>
        new Map(Array.from({ length: 60 - from }, (_, index) => [from + index, ms(from + index)]));
      const times = [
        { name: 'bankpulse', about: 'BankPulse', ms: msOf(1, (chunk) => chunk) },
        { name: 'views', about: 'views', ms: msOf(57, (chunk) => 10 * chunk) },
        { name: 'duckdb_state', about: 'DuckDB', ms: msOf(1, (chunk) => 2 * chunk) },
      ];
      const figures = peerFigures(times, 59);
      expect(figuresJson(figures)).to.deep.equal({
        bankpulse_chunks_6_to_10_ms: { median: 8, p95: 9.8 },
        bankpulse_last_ms: { median: 57, p95: 58.8 },
        views_last_ms: { median: 580, p95: 589 },
        views_per_bankpulse: 10,
        duckdb_state_chunks_6_to_10_ms: { median: 16, p95: 19.6 },
        duckdb_state_last_ms: { median: 114, p95: 117.6 },
        duckdb_state_per_bankpulse: 2,
      });
    });

    it('compare the end of a growing stream with its beginning, timed in turn with it', () => {
      const stage = (share: number, applyMs: number): GrowthStage => ({
        share,
        timings: [{ ...timings[0]!, applyMs }],
        peerMs: { duckdb_history: [10 * applyMs], duckdb_state: [applyMs] },
        stateSize: { bytes: 3e6, pairBytes: 2e6, pairs: 5 },
        firstRssBytes: 100e6,
        rssBytes: 150e6 * share,
        peakRssBytes: 180e6,
      });
      const figures = growthFigures({
        rows: 1_000_000,
        customerCount: 100_000,
        busy_merchants: 300,
        detections: { PatId1: 4 },
        stages: [stage(0.01, 40), stage(1, 60)],
        begin: [{ ...timings[0]!, applyMs: 50 }],
      });
      expect(figuresJson(figures)).to.deep.include({
        rows: 1_000_000,
        busy_merchants: 300,
        detections_PatId1: 4,
        y_first_rss_mb: 100,
        at_1_percent_us_per_pair: { median: 400, p95: 400 },
        at_100_percent_us_per_pair: { median: 600, p95: 600 },
        begin_us_per_pair: { median: 500, p95: 500 },
        end_per_begin_per_pair: 1.2,
        at_100_percent_duckdb_history_per_bankpulse: 10,
        at_100_percent_y_rss_mb: 150,
        y_rss_end_per_begin: 1.5,
      });
      const unmet = targetsJson('growth', figures).filter(({ is_met }) => is_met !== true);
      expect(unmet.map(({ figure }) => figure)).to.deep.equal(['growth.y_rss_end_per_begin']);
    });

    it('are none where there is too little input', () => {
      const figures = applyFigures(timings.slice(0, 3));
      expect(figureOf(figures, 'apply_per_bare_copy').value).to.equal(2);
      for (const key of ['chunks_6_to_15_ms', 'last_ten_ms', 'last_ten_per_chunks_6_to_15_per_pair'])
        expect(figureOf(figures, key).value, key).to.equal(undefined);
      expect(isMet(figureOf(figures, 'last_ten_per_chunks_6_to_15_per_pair'))).to.equal(undefined);
      expect(spread([])).to.equal(undefined);
    });
  });

  describe('a run', () => {
    const database = useDatabase('bare');
    let s3: TestObjectStore;
    let env: Record<string, string>;
    let files: string[];
    before(async () => {
      s3 = await testObjectStore();
      env = { ...s3.env, DATABASE_URL: database().url };
      const [transactionsCsv, importanceCsv] = [join(folder, 't.csv'), join(folder, 'i.csv')];
      await generate({ rows: 24_000, seed: 3, transactionsCsv, importanceCsv });
      await addDetections(transactionsCsv);
      files = ['--transactions', transactionsCsv, '--importance', importanceCsv];
    });

    /** The databases and objects of the benchmark that are still there. */
    async function leftovers(): Promise<string[]> {
      const { rows } = await database().client.query<{ datname: string }>(
        'select datname from pg_database where starts_with(datname, $1)',
        [`${database().name}_`],
      );
      const { objects } = await s3.store.listPage('');
      return [...rows.map(({ datname }) => datname), ...objects.map(({ key }) => key)];
    }

    it(`measures ${isLargeDose ? 'every part' : 'two parts'}, writes one JSON object, and leaves nothing behind`, async function () {
      this.timeout(300_000);
      const parts = isLargeDose ? [] : ['--only', 'apply,catch-up'];
      const { code, stdout, stderr } = await run([...files, ...parts, '--rounds', '1', '--json'], env, main);
      expect(code, stderr).to.equal(0);
      const result = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
      expect(result.set_up!.input).to.include({ rows: 25_000, chunks: 3, is_generated: false });
      expect(result.apply).to.include({ full_chunks: 2, last_ten_ms: null });
      expect(result.apply!.apply_per_bare_copy).to.be.above(0);
      expect(result.catch_up!.catch_up_rows_per_s).to.be.above(0);
      expect(result.catch_up!.start_up_ms).to.have.property('median').above(0);
      expect(stderr).to.contain('Targets:');
      if (isLargeDose) {
        expect(result.dashboard).to.deep.equal({ open_per_closed: null });
        for (const peer of ['views', 'duckdb_history', 'duckdb_state'])
          expect(result.peers![`${peer}_per_bankpulse`], peer).to.be.above(0);
        expect(result.latency!.chunks).to.equal(3);
        expect(result.latency!.full_files).to.equal(2);
        expect(result.latency!.file_ms).to.have.property('p99').above(0);
        expect(result.latency!.y_rss_mb).to.be.above(10);
      }
      expect(await leftovers()).to.deep.equal([]);
    });

    it('does not begin beside another, whose databases it would take', async () => {
      await database().client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK.bench]);
      try {
        const { code, stdout, stderr } = await run([...files, '--only', 'apply'], env, main);
        expect([code, stdout]).to.deep.equal([1, '']);
        expect(stderr).to.equal('error: another benchmark is at work beside this database\n');
      } finally {
        await database().client.query('select pg_advisory_unlock($1)', [ADVISORY_LOCK.bench]);
      }
    });

    it('that is interrupted ends with 1, and leaves nothing behind either', async () => {
      // without a developer's `.env` and AWS profile
      const args = ['src/run.cjs', 'scripts/bench.ts', ...files, '--only', 'latency'];
      const child = spawn(process.execPath, args, {
        cwd: projectDir,
        env: { PATH: process.env.PATH, HOME: '/nonexistent', NODE_ENV: 'test', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const ending = once(child, 'close');
      // its set-up is done, its processes are starting
      await once(child.stdout, 'data');
      child.kill('SIGINT');
      const [code] = (await ending) as [number | null];
      expect([code, stderr]).to.deep.equal([1, 'error: interrupted\n']);
      expect(await leftovers()).to.deep.equal([]);
    });
  });
});
