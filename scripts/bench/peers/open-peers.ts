import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { CloseLater } from '../../../src/async/resource-scope.js';
import { connect } from '../../../src/database/connection.js';
import { DuckdbHistory } from './duckdb-history.js';
import { DuckdbState } from './duckdb-state.js';
import type { Peer, PeerName } from './peer.js';
import { RowByRow } from './rows.js';
import { readThresholds, type Thresholds } from './thresholds.js';
import { RefreshedViews } from './views.js';

const COPY_WEIGHTS = `
  copy (
    select merchant_id, customer_id, average_weight from bankpulse.customer_weights
  ) to stdout with (format csv, header)
`;

async function openPeer(
  name: PeerName,
  config: pg.ClientConfig,
  thresholds: Thresholds,
  folder: string,
): Promise<Peer> {
  const place = { databaseFile: join(folder, `${name}.duckdb`), weightsCsv: join(folder, 'weights.csv') };
  switch (name) {
    case 'rows':
      return RowByRow.open(config, thresholds);
    case 'views':
      return RefreshedViews.open(config, thresholds);
    case 'duckdb_history':
      return DuckdbHistory.open(place, thresholds);
    case 'duckdb_state':
      return DuckdbState.open(place, thresholds);
  }
}

/**
 * Peers of the BankPulse in this database, with its thresholds and weights as they are now. Those of PostgreSQL have
 * schemas of their own beside it, those of DuckDB files in `folder`.
 * @param closeLater is given the close of each.
 */
export async function openPeers(
  names: readonly PeerName[],
  config: pg.ClientConfig,
  folder: string,
  closeLater: CloseLater,
): Promise<Peer[]> {
  const client = await connect(config);
  try {
    await pipeline(client.query(copyTo(COPY_WEIGHTS)), createWriteStream(join(folder, 'weights.csv')));
    const thresholds = await readThresholds(client);
    const peers: Peer[] = [];
    for (const name of names) {
      const peer = await openPeer(name, config, thresholds, folder);
      closeLater(() => peer.close());
      peers.push(peer);
    }
    return peers;
  } finally {
    await client.end();
  }
}
