/**
 * Shows that faults lose nothing and repeat nothing. Runs X and Y as real processes against real servers: once
 * undisturbed, then in rounds with faults, each with a database and a prefix of its own. After each round detections,
 * ledger, state and files must be those of the undisturbed run; after the last one `verify` must find no difference.
 * Exits with 1 otherwise. README.md says more.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { differences, readOutcome } from '../test/support/faults/outcome.js';
import { Place, type Input } from '../test/support/faults/place.js';
import { undisturbed } from '../test/support/faults/run.js';
import { Tally } from '../test/support/faults/tally.js';
import { DEFAULT_ROWS, DEFAULT_SEED, generate } from '../src/generate/generate.js';
import { Random } from '../src/generate/random.js';
import { disturbedRound, verify } from './soak/round.js';
import { openServers } from './soak/servers.js';

function whole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

const command = new Command('soak')
  .description('Kills, stops and disconnects X, Y and PostgreSQL, and compares with an undisturbed run.')
  .option('--minutes <number>', 'begin no new round after so many minutes', whole, 10)
  .option('--kills <number>', 'but go on until Y was killed so often', whole, 0)
  .option('--seed <number>', 'chooses the faults', whole, 1)
  .option('--transactions <file>', 'instead of a generated one; with --importance')
  .option('--importance <file>')
  .option('--postgres-bin <folder>', 'start a server with the programs in this folder (default: embedded)')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse();
const options = command.opts<{
  minutes: number;
  kills: number;
  seed: number;
  transactions?: string;
  importance?: string;
  postgresBin?: string;
}>();
if ((options.transactions === undefined) !== (options.importance === undefined))
  command.error('error: --transactions and --importance go together', { exitCode: 2 });

const say = (text: string) => process.stdout.write(`${text}\n`);
let startedAt = performance.now();
const isOver = (tally: Tally) =>
  performance.now() - startedAt > options.minutes * 60_000 && tally.killCount >= options.kills;

const folder = await mkdtemp(join(tmpdir(), 'bankpulse-soak-'));
const servers = await openServers(options.postgresBin);
const tally = new Tally();
let lost = 0;
let rounds = 0;
try {
  say(`seed ${options.seed}; ${servers.description}`);
  const input: Input = {
    transactionsCsv: options.transactions ?? join(folder, 'transactions.csv'),
    importanceCsv: options.importance ?? join(folder, 'CustomerImportance.csv'),
    chunkRows: 2500,
    batchRows: 5,
    chunkIntervalMs: 0,
  };
  if (options.transactions === undefined)
    await generate({ ...input, rows: DEFAULT_ROWS, seed: DEFAULT_SEED });
  const reference = await Place.open(input, servers.s3, 'undisturbed/');
  const expected = await undisturbed(reference);
  await reference.close();
  say(`undisturbed: ${expected.ledger!.length} chunks, ${expected.detections!.length} detections`);

  const random = new Random(options.seed);
  startedAt = performance.now();
  do {
    const place = await Place.open({ ...input, chunkIntervalMs: 150 }, servers.s3, `round-${++rounds}/`);
    try {
      const faults = await disturbedRound(place, random, tally, servers, expected.ledger!.length);
      const found = [...differences(expected, await readOutcome(place)), ...faults];
      if (isOver(tally)) found.push(...(await verify(place)));
      lost += found.length;
      say(`round ${rounds}: ${found.length === 0 ? 'same as undisturbed' : `${found.length} differences`}`);
      for (const difference of found) say(`  ${difference}`);
    } finally {
      await place.close();
    }
  } while (!isOver(tally));
} finally {
  say(`\n${rounds} rounds, ${Math.round((performance.now() - startedAt) / 60_000)} minutes`);
  tally.lines.forEach(say);
  await rm(folder, { recursive: true, force: true });
  await servers.close();
}
say(lost === 0 ? 'nothing was lost or repeated' : `${lost} differences`);
process.exitCode = lost === 0 ? 0 : 1;
