import { once } from 'node:events';
import { request, type IncomingHttpHeaders } from 'node:http';
import type pg from 'pg';
import { choosePort } from '../../src/embedded/state.js';
import { readHostPattern } from '../../src/text/hosts.js';
import { serveDashboard, type Dashboard, type Routes } from '../../src/dashboard/server.js';
import { logInto, type LogLine } from './detector.js';

export interface RunningDashboard extends Dashboard {
  port: number;
  log: LogLine[];
}

/** A dashboard on a free port of this machine. Whoever starts it closes it. */
export async function startDashboard(
  config: pg.ClientConfig,
  {
    host = '127.0.0.1',
    port,
    allowed = [],
    timeZone,
    routes,
  }: { host?: string; port?: number; allowed?: string[]; timeZone?: string; routes?: Routes[] } = {},
): Promise<RunningDashboard> {
  const log: LogLine[] = [];
  const chosen = port ?? (await choosePort());
  const settings = {
    DASHBOARD_HOST: host,
    DASHBOARD_PORT: chosen,
    DASHBOARD_ALLOWED_HOSTS: allowed.map((entry) => readHostPattern(entry)!),
    TIME_ZONE: timeZone,
  };
  const dashboard = await serveDashboard({
    ...{ config, settings, log: logInto(log), ...(routes && { routes }) },
    // on a busy machine a read may take a second, and a test waits for the next one
    pausePerCost: 1,
  });
  return { ...dashboard, port: chosen, log };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A request with any header, `Host` too, and any path, as it is. */
export async function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false });
  sent.end();
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
  let body = '';
  for await (const part of response.setEncoding('utf8')) body += part as string;
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

/** The event stream of a dashboard: the last that came of each section. */
export class EventStream {
  readonly sections = new Map<string, unknown>();
  #sent;

  constructor(port: number) {
    this.#sent = request({ host: '127.0.0.1', port, path: '/events', agent: false });
    this.#sent.on('error', () => undefined);
    this.#sent.on('response', (response) => {
      let text = '';
      response.on('error', () => undefined);
      response.setEncoding('utf8').on('data', (part: string) => {
        const events = (text + part).split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) {
          const match = /^event: (\w+)\ndata: (.*)$/.exec(event);
          if (match) this.sections.set(match[1]!, JSON.parse(match[2]!));
        }
      });
    });
    this.#sent.end();
  }

  section<Value>(name: string): Value | undefined {
    return this.sections.get(name) as Value | undefined;
  }

  close(): void {
    this.#sent.destroy();
  }
}
