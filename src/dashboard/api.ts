import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Kysely } from 'kysely';
import { AnswerCache } from './answer-cache.js';
import { readCustomer } from './queries/customers.js';
import { readFile, readFiles } from './queries/files.js';
import { readDetections } from './queries/overview.js';
import { merchantColumns, readMerchant, readMerchants, type MerchantQuery } from './queries/merchants.js';
import {
  readExplanation,
  readNearMatches,
  readNow,
  readWhatIf,
  type DetectionsOf,
} from './queries/patterns.js';
import { readProblems } from './queries/problems.js';
import type { DashboardViews } from './dashboard-views.js';
import { OneAtATime } from './one-at-a-time.js';
import { readParts, type PatternParts } from './pattern-parts.js';

/** Names have at most 1,000 bytes and no NUL, which PostgreSQL refuses. */
const name = { type: 'string', maxLength: 1000, pattern: '^[^\\u0000]*$' } as const;

function querystring(properties: object, ...required: string[]) {
  return { schema: { querystring: { type: 'object', additionalProperties: false, required, properties } } };
}

/** Serves the data of the pages as JSON, one route for each page. */
export function serveApi(server: FastifyInstance, views: Kysely<DashboardViews>, parts: PatternParts): void {
  const cache = new AnswerCache();
  const slowly = new OneAtATime();
  async function answer(reply: FastifyReply, make: () => Promise<unknown>): Promise<unknown> {
    const found = await cache.get(reply.request.url, make);
    void reply.header('cache-control', 'no-store');
    return found === undefined ? reply.code(404).send({ error: 'not found' }) : reply.send(found);
  }
  /** For queries that read the whole state; a browser that has gone by its turn is not answered. */
  function answerInTurn(reply: FastifyReply, make: () => Promise<unknown>): Promise<unknown> {
    return slowly.run(async () => (reply.raw.destroyed ? undefined : answer(reply, make)));
  }

  server.get<{ Querystring: { pattern?: string; merchant?: string; limit: number } }>(
    '/api/detections',
    querystring({
      pattern: name,
      merchant: name,
      limit: { type: 'integer', minimum: 1, maximum: 500, default: 50 },
    }),
    ({ query }, reply) => answer(reply, () => readDetections(views, query)),
  );
  server.get<{ Querystring: MerchantQuery }>(
    '/api/merchants',
    querystring({
      search: { ...name, default: '' },
      sort: { type: 'string', enum: merchantColumns, default: 'transaction_count' },
      order: { type: 'string', enum: ['asc', 'desc'], default: 'desc' },
    }),
    ({ query }, reply) => answer(reply, () => readMerchants(views, query)),
  );
  server.get<{ Querystring: { id: string } }>(
    '/api/merchant',
    querystring({ id: name }, 'id'),
    ({ query }, reply) => answer(reply, () => readMerchant(views, query.id, parts)),
  );
  server.get<{ Querystring: { id: string } }>(
    '/api/customer',
    querystring({ id: name }, 'id'),
    ({ query }, reply) => answer(reply, () => readCustomer(views, query.id)),
  );
  server.get('/api/parts', (_request, reply) =>
    answer(reply, () => readParts(parts, (part) => part.readMerchants?.(views))),
  );
  server.get<{ Querystring: DetectionsOf }>(
    '/api/now',
    {
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          oneOf: [{ required: ['merchant'] }, { required: ['customer'] }],
          properties: { merchant: name, customer: name },
        },
      },
    },
    ({ query }, reply) => answerInTurn(reply, () => readNow(views, query)),
  );
  server.get<{ Querystring: { pattern: string } }>(
    '/api/near',
    querystring({ pattern: name }, 'pattern'),
    ({ query }, reply) => answerInTurn(reply, () => readNearMatches(views, query.pattern)),
  );
  server.get<{ Querystring: { pattern: string; thresholds: string } }>(
    '/api/what-if',
    querystring({ pattern: name, thresholds: name }, 'pattern', 'thresholds'),
    ({ query }, reply) => answerInTurn(reply, () => readWhatIf(views, query.pattern, query.thresholds)),
  );
  server.get<{ Querystring: { merchant: string; customer: string } }>(
    '/api/explanation',
    querystring({ merchant: name, customer: name }, 'merchant', 'customer'),
    ({ query }, reply) => answerInTurn(reply, () => readExplanation(views, query.merchant, query.customer)),
  );
  server.get('/api/files', (_request, reply) => answer(reply, () => readFiles(views)));
  server.get<{ Querystring: { number: number } }>(
    '/api/file',
    querystring({ number: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER } }, 'number'),
    ({ query }, reply) => answer(reply, () => readFile(views, query.number)),
  );
  server.get('/api/problems', (_request, reply) => answer(reply, () => readProblems(views)));
}
