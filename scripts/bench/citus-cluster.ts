import type pg from 'pg';
import type { CloseLater } from '../../src/async/resource-scope.js';
import { connect } from '../../src/database/connection.js';
import { DisposableDatabase } from '../../src/database/disposable-database.js';
import { distribute } from '../../src/database/distribution.js';
import { ADVISORY_LOCK } from '../../src/database/advisory-locks.js';
import { migrate } from '../../src/database/schema.js';
import { WRITES_IN_SESSIONS, connectOrExplain } from '../../src/database/server-check.js';
import { UserError } from '../../src/errors.js';
import type { Logger } from '../../src/log.js';
import { openServerCpu } from './server-cpu.js';
import { MARK } from './set-up.js';

const HAS_CITUS = `select exists (select from pg_extension where extname = 'citus') as has_citus`;
const WORKERS = `
  select node_name as host, node_port::int as port from citus_get_active_worker_nodes() order by node_name, node_port
`;
/** As the workers reach it. */
const COORDINATOR = 'select nodename as host, nodeport as port from pg_dist_node where groupid = 0';
const DESCRIBE = `
  select
    current_setting('server_version') as postgresql,
    (select extversion from pg_extension where extname = 'citus') as citus,
    current_setting('citus.max_adaptive_executor_pool_size') as pool_size,
    current_setting('citus.max_cached_conns_per_worker') as cached
`;

type Address = { host: string; port: number };
/** A database of the benchmark, and its session settings. */
type ClusterDatabase = { config: pg.ClientConfig; name: string };

/** Makes databases on the servers of a cluster, and drops them in the end. @throws UserError */
export async function openCluster(config: pg.ClientConfig, closeLater: CloseLater, log: Logger) {
  const session = await connectOrExplain(config, WRITES_IN_SESSIONS);
  closeLater(() => session.end());
  const { rows: extensions } = await session.query<{ has_citus: boolean }>(HAS_CITUS);
  const workers = extensions[0]!.has_citus ? (await session.query<Address>(WORKERS)).rows : [];
  if (workers.length === 0)
    throw new UserError('TEST_CITUS_URL names no database in which Citus knows workers');
  const tryLock = 'select pg_try_advisory_lock($1) as is_ours';
  const { rows: locks } = await session.query<{ is_ours: boolean }>(tryLock, [ADVISORY_LOCK.bench]);
  if (!locks[0]!.is_ours)
    throw new UserError('another benchmark is at work beside the database of TEST_CITUS_URL');
  const { rows: descriptions } =
    await session.query<Record<'postgresql' | 'citus' | 'pool_size' | 'cached', string>>(DESCRIBE);
  const { host, port } = session;
  const coordinator = (await session.query<Address>(COORDINATOR)).rows[0] ?? { host, port };

  /** The coordinator's server, then the workers'. A database of this server alone is what is made and dropped. */
  const servers = [{}, ...workers].map((address) => ({
    ...config,
    ...address,
    options: '-c citus.enable_ddl_propagation=off',
  }));
  const cpus = [];
  for (const server of servers) {
    const cpu = await openServerCpu(server);
    closeLater(cpu.close);
    cpus.push(cpu);
  }

  async function createOn(
    server: pg.ClientConfig,
    suffix: string,
    withCitus: boolean,
  ): Promise<DisposableDatabase> {
    const database = new DisposableDatabase(server, suffix, MARK);
    closeLater(() => database.drop());
    await database.create();
    if (withCitus) {
      const client = await connect(database.config);
      await client.query('create extension citus').finally(() => client.end());
    }
    return database;
  }

  return {
    workerCount: workers.length,
    about: descriptions[0]!,
    cpus,
    /** A database with the schema: over so many workers, or with none a plain one on the coordinator's server. */
    async createDatabase(suffix: string, workerCount: number, shards: number): Promise<ClusterDatabase> {
      const used = servers.slice(1, workerCount + 1);
      for (const server of used) await createOn(server, suffix, true);
      const { name } = await createOn(servers[0]!, suffix, used.length > 0);
      const made = { ...config, database: name };
      const client = await connect(made);
      try {
        if (used.length > 0)
          await client.query('select citus_set_coordinator_host($1, $2)', Object.values(coordinator));
        for (const server of used)
          await client.query('select citus_add_node($1, $2)', [server.host, server.port]);
        await migrate(client, log);
        if (used.length > 0) {
          await distribute(client, shards);
          await migrate(client, log); // grants the rights on what is new
        }
      } finally {
        await client.end();
      }
      return { name, config: made };
    },
  };
}
export type Cluster = Awaited<ReturnType<typeof openCluster>>;
