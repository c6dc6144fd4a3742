// The API against its own OpenAPI document: requests that Schemathesis makes of it, right and wrong ones, are answered as it says.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findings, INSTALL_TIMEOUT_MS, installSchemathesis } from '../../support/schemathesis.ts';
import type { Installation } from '../store/fixture.ts';
import { finishedCrawl } from './finished-crawl.ts';
import type { ServerFixture } from './fixture.ts';
import { type ServerOnDatabase, startServerOnDatabase } from './server-on-database.ts';

let program: string;
let started: ServerOnDatabase;
let installation: Installation;
let server: ServerFixture;
let crawled: string;
let live: string;

beforeAll(async () => {
  program = await installSchemathesis();
  started = await startServerOnDatabase({ requestsPerMinute: 1_000_000 });
  ({ installation, server } = started);
  crawled = await finishedCrawl(installation, 3, (n) => ({ n }));
  live = 'live';
  await installation.createRun({ scheduleName: 'shop' }, { runId: await server.crawlRun(live), name: live });
  await server.kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule', metadata: { name: 'shop', namespace: 'default' } },
    spec: { schedule: '@daily', runTemplate: { spec: { sources: [{ name: 'site', urls: ['http://site.test/'] }] } } },
  });
  await server.kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlBackfill', metadata: { name: 'past', namespace: 'default' } },
    spec: { scheduleName: 'shop', from: '2026-01-01T00:00:00Z', to: '2026-01-04T00:00:00Z' },
  });
}, INSTALL_TIMEOUT_MS);
afterAll(() => started?.stop());

type Schema = Record<string, unknown>;
type Operation = { parameters?: { name: string; in: string; schema: Schema }[]; responses: Record<string, unknown> };
type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

/** The API server of Kubernetes holds specs against theirs: a thousand requests for each route would be of its work. */
const THIN = { type: 'object', properties: { schedule: { type: 'string' }, timeZone: { type: 'string' } } };

/** Its paths name what is there, but for what would delete it. Without the stream and logs that are followed, which do not end. */
async function documentOf(token: string): Promise<Document> {
  const { body } = await server.call('GET', '/openapi.json', token);
  const { paths, components, ...rest } = body as unknown as Document;
  for (const name of Object.keys(components.schemas)) {
    if (/(Spec|Status|Changes)$/.test(name)) components.schemas[name] = THIN;
  }
  delete paths['/api/v1/stream'];
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const parameters = (operation.parameters ?? []).filter(({ name }) => name !== 'follow');
      operation.parameters = parameters;
      const names = namesFor(method, path);
      for (const parameter of parameters) {
        if (parameter.in !== 'path') continue;
        if (parameter.name === 'namespace') parameter.schema = { enum: ['default'] };
        if (parameter.name === 'name') parameter.schema = { enum: names };
      }
    }
  }
  return { ...rest, paths, components };
}

function namesFor(method: string, path: string): string[] {
  if (method === 'delete') return ['none'];
  if (path.includes('/runs/')) return [crawled, live];
  return path.includes('/backfills/') ? ['past'] : ['shop'];
}

const AS_DOCUMENTED = [
  ...['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_schema_conformance'],
  ...['response_headers_conformance', 'negative_data_rejection'],
];

test('whoever may do everything is answered as the document says, and never with a failure of the server', async () => {
  const token = await server.account('default', 'owner', [
    { resources: ['crawlschedules', 'crawlruns', 'crawlbackfills'], verbs: ['*'] },
  ]);
  const document = await documentOf(token);
  expect(await findings({ program, document, url: server.url, token, mode: 'all', checks: AS_DOCUMENTED })).toBe('');
}, 300_000);

test('whoever may do nothing is refused whatever they send, but for who they are and the health of the server', async () => {
  const token = await server.account('default', 'nobody', []);
  const document = await documentOf(token);
  const refusals = ['400', '403', '404', '415', '422'];
  for (const [path, operations] of Object.entries(document.paths)) {
    if (['/health', '/ready', '/api/v1/me'].includes(path)) continue;
    for (const operation of Object.values(operations)) {
      const { default: problem } = operation.responses;
      operation.responses = Object.fromEntries(refusals.map((status) => [status, problem]));
    }
  }
  expect(await findings({ program, document, url: server.url, token, mode: 'positive', checks: AS_DOCUMENTED })).toBe(
    '',
  );
}, 300_000);
