import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import getPort from 'get-port';
import { UserError } from '../../src/errors.js';
import { isRoot } from '../../src/embedded/postgres/account.js';

/** A PostgreSQL server that the soak starts. If the soak runs as root, the server runs as the user `postgres`. */
export class Cluster {
  private constructor(
    private readonly bin: string,
    private readonly folder: string,
    private readonly port: number,
  ) {}

  /** @param bin the folder of the server's programs */
  static async start(bin: string): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), 'bankpulse-soak-'));
    const cluster = new Cluster(bin, folder, await getPort({ host: '127.0.0.1' }));
    await chmod(folder, 0o700);
    if (isRoot()) await chown(folder, cluster.#id('-u'), cluster.#id('-g'));
    const options = ['--auth=trust', '--encoding=UTF8', '--locale=C', '--username=postgres'];
    cluster.#call('initdb', [...options, '-D', cluster.#data]);
    cluster.restart();
    return cluster;
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.port}/postgres`;
  }

  /** Starts the server, also after a kill. */
  restart(): void {
    const options = `-p ${this.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c jit=off`;
    this.#call('pg_ctl', ['-D', this.#data, '-l', join(this.folder, 'log'), '-w', '-o', options, 'start']);
  }

  async remove(): Promise<void> {
    this.#call('pg_ctl', ['-D', this.#data, '-m', 'immediate', 'stop']);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20 });
  }

  get #data(): string {
    return join(this.folder, 'data');
  }

  #id(what: '-u' | '-g'): number {
    return Number(spawnSync('id', [what, 'postgres'], { encoding: 'utf8' }).stdout);
  }

  #call(program: string, args: string[]): void {
    const account = isRoot() ? { uid: this.#id('-u'), gid: this.#id('-g') } : {};
    // the server goes on, so it must not hold the soak's output or folder
    const { status, stderr, error } = spawnSync(join(this.bin, program), args, {
      ...account,
      cwd: this.folder,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    if (status !== 0) throw new UserError(`${program} in ${this.bin} failed: ${stderr || error?.message}`);
  }
}
