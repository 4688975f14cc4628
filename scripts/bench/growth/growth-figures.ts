import { applyMs, bareMs, microsecondsPerPair } from '../chunk-timing.js';
import type { Figure, Target } from '../figures.js';
import { median, ratio, ratioOfMedians, spread } from '../measure.js';
import type { PeerName } from '../peers/peer.js';
import type { Growth } from './growth.js';
import type { GrowthStage } from './stages.js';

const PEER_NAMES: [name: PeerName, about: string, atTheEnd: Target][] = [
  ['duckdb_history', 'DuckDB, all transactions kept', { least: 10 }],
  ['duckdb_state', 'DuckDB, the same running state', { least: 1 }],
];

/** Of one point of the stream. */
function stageFigures({ share, timings, peerMs, stateSize, rssBytes, peakRssBytes }: GrowthStage): Figure[] {
  const percent = Math.round(share * 100);
  const key = (name: string) => `at_${percent}_percent_${name}`;
  const at = `at ${percent} %: `;
  const isEnd = share === 1;
  const { bytes, pairBytes, pairs } = stateSize;
  return [
    {
      key: key('bare_copy_ms'),
      what: `${at}bare COPY`,
      unit: 'ms',
      value: spread(bareMs(timings)),
    },
    { key: key('apply_ms'), what: `${at}BankPulse`, unit: 'ms', value: spread(applyMs(timings)) },
    {
      key: key('pairs_per_chunk'),
      what: `${at}touched pairs of a chunk`,
      unit: 'pairs',
      value: median(timings.map((timing) => timing.pairs)),
    },
    {
      key: key('us_per_pair'),
      what: `${at}BankPulse, per touched pair`,
      unit: 'µs',
      value: spread(microsecondsPerPair(timings)),
    },
    ...Object.keys(timings[0]!.steps).map((step): Figure => ({
      key: key(`step_${step}_ms`),
      what: `${at}  step ${step}`,
      unit: 'ms',
      value: spread(timings.map(({ steps }) => steps[step] ?? 0)),
    })),
    ...PEER_NAMES.flatMap(([name, about, target]): Figure[] => {
      const ms = peerMs[name] ?? [];
      // of the same chunks: the peers take part in the first ones
      const ours = median(applyMs(timings.slice(0, ms.length)));
      return [
        { key: key(`${name}_ms`), what: `${at}${about}`, unit: 'ms', value: spread(ms) },
        {
          key: key(`${name}_per_bankpulse`),
          what: `${at}${about} / BankPulse`,
          unit: 'times',
          value: ratio(median(ms), ours),
          ...(isEnd && { target }),
        },
      ];
    }),
    { key: key('pairs'), what: `${at}pairs of merchant and customer`, unit: 'pairs', value: pairs },
    { key: key('state_mb'), what: `${at}state, with indexes`, unit: 'MB', value: bytes / 1e6 },
    { key: key('pairs_mb'), what: `${at}  of that the pairs`, unit: 'MB', value: pairBytes / 1e6 },
    {
      key: key('y_rss_mb'),
      what: `${at}Y's memory (RSS)`,
      unit: 'MB',
      value: rssBytes / 1e6,
      ...(isEnd && { target: { most: 200 } }),
    },
    {
      key: key('y_peak_rss_mb'),
      what: `${at}Y's memory, at most since its start`,
      unit: 'MB',
      value: peakRssBytes / 1e6,
    },
  ];
}

/** All, with the targets of growth. */
export function growthFigures({ stages, firstRssBytes, ...stream }: Growth): Figure[] {
  const last = stages.at(-1)!;
  const beginningPerPair = microsecondsPerPair(last.beginningTimings);
  return [
    { key: 'rows', what: 'rows', unit: 'rows', value: stream.rows },
    { key: 'customers', what: 'customers', unit: 'customers', value: stream.customers },
    {
      key: 'busy_merchants',
      what: 'busy merchants in the end',
      unit: 'merchants',
      value: stream.busyMerchants,
    },
    ...Object.entries(stream.detections).map(([pattern, count]): Figure => ({
      key: `detections_${pattern}`,
      what: `detections of ${pattern}`,
      unit: 'detections',
      value: count,
    })),
    {
      key: 'y_first_rss_mb',
      what: "Y's memory (RSS) after its first chunk",
      unit: 'MB',
      value: firstRssBytes / 1e6,
      target: { most: 200 },
    },
    ...stages.flatMap(stageFigures),
    {
      key: 'begin_us_per_pair',
      what: 'at 1 %, in turn with 100 %: BankPulse, per touched pair',
      unit: 'µs',
      value: spread(beginningPerPair),
    },
    {
      key: 'end_per_begin_per_pair',
      what: 'BankPulse, per touched pair, at 100 % / at 1 %',
      unit: 'times',
      value: ratioOfMedians(microsecondsPerPair(last.timings), beginningPerPair),
      target: { most: 1.3 },
    },
    {
      key: 'y_rss_end_per_begin',
      what: "Y's memory at the end / after its first chunk",
      unit: 'times',
      value: ratio(last.rssBytes, firstRssBytes),
      target: { most: 1.1 },
    },
  ];
}
