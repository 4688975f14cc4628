import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import getPort from 'get-port';
import type pg from 'pg';
import { serveDashboard } from '../../src/dashboard/server.js';
import { createLog } from '../../src/log.js';

/** The dashboard, and somebody who looks at it from time to time. */
export class Viewer {
  #stream: IncomingMessage | undefined;

  private constructor(
    private readonly url: string,
    readonly close: () => Promise<void>,
  ) {}

  static async open(config: pg.ClientConfig): Promise<Viewer> {
    const settings = { DASHBOARD_HOST: '127.0.0.1', DASHBOARD_PORT: await getPort() };
    const dashboard = await serveDashboard({ config, settings, log: createLog('error') });
    if (dashboard.url === undefined) throw new Error('the dashboard is not served');
    return new Viewer(dashboard.url, () => dashboard.close());
  }

  /** Opens the page's stream of events, or closes it. */
  async watch(isOpen: boolean): Promise<void> {
    if (isOpen === (this.#stream !== undefined)) return;
    if (!isOpen) {
      this.#stream?.destroy();
      this.#stream = undefined;
      return;
    }
    const asking = request(`${this.url}events`).end();
    [this.#stream] = (await once(asking, 'response')) as [IncomingMessage];
    this.#stream.on('error', () => undefined).resume();
  }
}
