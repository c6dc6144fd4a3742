// Who may do what through the API: every route, for every identity, in two namespaces, against what SubjectAccessReview says.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Rule, type ServerFixture, serveAs, startFixture } from './fixture.ts';

const SCHEDULES = 'crawlschedules';
const RUNS = 'crawlruns';
const BACKFILLS = 'crawlbackfills';
const AUDITS = 'audits';
const TOKENS = 'tokens';
const NAMESPACES = ['red', 'blue'] as const;

/** What each identity holds, in the namespace red alone. */
const IDENTITIES: Readonly<Record<string, readonly Rule[]>> = {
  nobody: [],
  viewer: [{ resources: [SCHEDULES, RUNS], verbs: ['get', 'list'] }],
  editor: [{ resources: [SCHEDULES, RUNS], verbs: ['get', 'list', 'create', 'update', 'patch', 'delete'] }],
  pauser: [{ resources: [RUNS], verbs: ['pause', 'resume'] }],
  starter: [{ resources: [SCHEDULES], verbs: ['run'] }],
  auditor: [{ resources: [AUDITS], verbs: ['list'] }],
  watcher: [{ resources: [RUNS], verbs: ['watch'] }],
  keeper: [{ resources: [TOKENS], verbs: ['list', 'delete'] }],
  filler: [
    { resources: [RUNS], verbs: ['backfill'] },
    { resources: [BACKFILLS], verbs: ['get'] },
  ],
  owner: [{ resources: [SCHEDULES, RUNS, BACKFILLS, AUDITS, TOKENS], verbs: ['*'] }],
};

/** What each route asks for; `NS` is the namespace of the cell. Names that are not there: who is allowed gets another answer than 403, and nothing changes. */
const ROUTES: readonly (readonly [verb: string, resource: string, method: string, path: string, body?: object])[] = [
  ['list', SCHEDULES, 'GET', 'schedules'],
  ['get', SCHEDULES, 'GET', 'schedules/none'],
  ['get', SCHEDULES, 'GET', 'schedules/none/next'],
  ['create', SCHEDULES, 'POST', 'schedules', { metadata: { name: 'bad' }, spec: { no: 1 } }],
  ['update', SCHEDULES, 'PUT', 'schedules/none', { spec: {} }],
  ['patch', SCHEDULES, 'PATCH', 'schedules/none', { spec: {} }],
  ['delete', SCHEDULES, 'DELETE', 'schedules/none'],
  ['suspend', SCHEDULES, 'POST', 'schedules/none/suspend', {}],
  ['resume', SCHEDULES, 'POST', 'schedules/none/resume'],
  ['run', SCHEDULES, 'POST', 'schedules/none/run', {}],
  ['run', SCHEDULES, 'POST', 'schedules/none/proxy-test', {}],
  ['get', RUNS, 'GET', 'runs/none/proxy-test'],
  ['list', RUNS, 'GET', 'runs'],
  ['get', RUNS, 'GET', 'runs/none'],
  ['patch', RUNS, 'PATCH', 'runs/none', { spec: {} }],
  ['delete', RUNS, 'DELETE', 'runs/none'],
  ['pause', RUNS, 'POST', 'runs/none/pause', {}],
  ['resume', RUNS, 'POST', 'runs/none/resume'],
  ['stop', RUNS, 'POST', 'runs/none/stop', {}],
  ['retry', RUNS, 'POST', 'runs/none/retry', {}],
  ['list', RUNS, 'GET', 'items'],
  ['list', RUNS, 'GET', 'executions'],
  ['get', RUNS, 'GET', 'runs/none/items'],
  ['get', RUNS, 'GET', 'runs/none/export'],
  ['get', RUNS, 'GET', 'runs/none/dead-letters'],
  ['retry', RUNS, 'POST', 'runs/none/dead-letters/requeue', {}],
  ['clear', RUNS, 'POST', 'runs/none/dead-letters/clear', {}],
  ['create', SCHEDULES, 'POST', 'schedules/preview', { spec: { no: 1 } }],
  ['list', RUNS, 'GET', 'schedules/none/changes'],
  ['get', RUNS, 'GET', 'runs/none/changes'],
  ['get', RUNS, 'GET', 'runs/none/sources'],
  ['get', RUNS, 'GET', 'runs/none/workers'],
  ['get', RUNS, 'GET', 'runs/none/hosts'],
  ['get', RUNS, 'GET', 'runs/none/explain'],
  ['get', RUNS, 'GET', 'runs/none/events'],
  ['get', RUNS, 'GET', 'runs/none/logs'],
  ['list', RUNS, 'GET', 'executions/00000000-0000-4000-8000-000000000000'],
  ['list', AUDITS, 'GET', 'audit'],
  ['list', RUNS, 'GET', 'alerts'],
  ['acknowledge', RUNS, 'POST', 'alerts/00000000-0000-4000-8000-000000000000/acknowledge', {}],
  ['patch', RUNS, 'POST', 'runs/none/preview', { spec: {} }],
  ['patch', RUNS, 'POST', 'runs/none/hosts/reset', { host: 'a' }],
  ['get', SCHEDULES, 'GET', 'schedules/none/deliveries'],
  ['update', SCHEDULES, 'POST', 'schedules/none/deliveries/test', { target: 'a' }],
  [
    ...(['update', SCHEDULES, 'POST', 'schedules/none/deliveries/redeliver'] as const),
    { notificationId: '00000000-0000-4000-8000-000000000000', target: 'a' },
  ],
  ['list', BACKFILLS, 'GET', 'backfills'],
  ['get', BACKFILLS, 'GET', 'backfills/none'],
  [
    ...(['backfill', RUNS, 'POST', 'backfills'] as const),
    { schedule: 'none', from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
  ],
  ['backfill', RUNS, 'POST', 'backfills/none/submit', { plan: '0123456789ab' }],
  ['backfill', RUNS, 'POST', 'backfills/none/pause'],
  ['backfill', RUNS, 'POST', 'backfills/none/resume'],
  ['backfill', RUNS, 'POST', 'backfills/none/cancel'],
  ['list', SCHEDULES, 'GET', '/api/v1/next?namespace=NS'],
  ['run', SCHEDULES, 'POST', '/api/v1/crawl-now', { namespace: 'NS', schedule: 'none' }],
  ['watch', RUNS, 'GET', '/api/v1/stream?namespace=NS&kinds=run'],
  ['watch', SCHEDULES, 'GET', '/api/v1/stream?namespace=NS&kinds=schedule'],
  ['list', TOKENS, 'GET', '/api/v1/tokens?namespace=NS'],
  ['create', TOKENS, 'POST', '/api/v1/tokens', { name: 'cell', role: 'viewer', namespaces: ['NS'] }],
  ['list', RUNS, 'GET', 'batches/00000000-0000-4000-8000-000000000000'],
];

let server: ServerFixture;
const tokens = new Map<string, string>();

beforeAll(async () => {
  server = await startFixture();
  for (const namespace of NAMESPACES) await server.kubectl(['create', 'namespace', namespace]);
  for (const [name, rules] of Object.entries(IDENTITIES)) tokens.set(name, await server.account('red', name, rules));
});
afterAll(() => server?.stop());

/** RBAC as it is written down above, without the server and without SubjectAccessReview. */
const holds = (identity: string, verb: string, resource: string) =>
  (IDENTITIES[identity] ?? []).some(
    ({ verbs, resources }) => resources.includes(resource) && (verbs.includes(verb) || verbs.includes('*')),
  );

/** A stream does not end by itself. */
async function beginStream(path: string, token = ''): Promise<{ status: number; body: object }> {
  const leaving = new AbortController();
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(server.url + path, { headers, signal: leaving.signal });
  const body = answer.ok ? {} : ((await answer.json()) as object);
  leaving.abort();
  return { status: answer.status, body };
}

const cells = Object.keys(IDENTITIES).flatMap((identity) =>
  NAMESPACES.flatMap((namespace) => ROUTES.map((route) => ({ identity, namespace, route }))),
);

test(`${cells.length} cells of identity, route and namespace are allowed or refused as RBAC says`, async () => {
  expect(cells.length).toBeGreaterThanOrEqual(100);
  const wrong: string[] = [];
  for (const { identity, namespace, route } of cells) {
    const [verb, resource, method, rest, body] = route;
    const within = (text: string) => text.replaceAll('NS', namespace);
    const path = rest.startsWith('/') ? within(rest) : `/api/v1/namespaces/${namespace}/${rest}`;
    const options = body === undefined ? {} : { body: JSON.parse(within(JSON.stringify(body))) };
    const answer = rest.includes('/stream')
      ? await beginStream(path, tokens.get(identity))
      : await server.call(method, path, tokens.get(identity), options);
    const isAllowed = namespace === 'red' && holds(identity, verb, resource);
    const { reason, detail } = answer.body as { reason?: string; detail?: string };
    const isRight = isAllowed
      ? // 503: this server has no PostgreSQL.
        [200, 201, 400, 404, 409, 422, 503].includes(answer.status)
      : answer.status === 403 && reason === 'Forbidden' && detail?.includes(`may not ${verb} ${resource}`);
    if (!isRight) wrong.push(`${identity} ${method} ${namespace}/${rest}: ${answer.status} ${detail}`);
  }
  expect(wrong).toEqual([]);
});

test('a right in one namespace is none in all of them', async () => {
  const everywhere = ['next', 'system/status', 'system/scheduler', 'tokens', 'stream'];
  for (const identity of Object.keys(IDENTITIES)) {
    for (const route of everywhere) {
      const answer = await server.call('GET', `/api/v1/${route}`, tokens.get(identity));
      expect(answer, `${identity} ${route}`).toMatchObject({
        ...{ status: 403, body: { detail: expect.stringContaining('in all namespaces') } },
      });
    }
  }
});

test('the rights that /me tells are those that the API server gives', async () => {
  for (const identity of Object.keys(IDENTITIES)) {
    for (const namespace of NAMESPACES) {
      const { body } = await server.call('GET', `/api/v1/me?namespace=${namespace}`, tokens.get(identity));
      const { username, rights } = body as {
        username: string;
        rights: { verb: string; resource: string; allowed: boolean }[];
      };
      expect(username).toBe(`system:serviceaccount:red:${identity}`);
      for (const { verb, resource, allowed } of rights) {
        const expected = namespace === 'red' && holds(identity, verb, resource);
        expect(allowed, `${identity} ${verb} ${resource} in ${namespace}`).toBe(expected);
      }
    }
  }
});

test('a right that the server itself lacks is its own failure, and named', async () => {
  const rbac = 'rbac.authorization.k8s.io';
  const reviews = [
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  ];
  const metadata = { name: 'weak-server' };
  await server.kubectl(['apply', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata, rules: reviews },
      {
        ...{ apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata },
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: metadata.name },
        subjects: [{ apiGroup: rbac, kind: 'User', name: 'weak' }],
      },
    ],
  });
  await using weak = await serveAs(server.cluster, 'weak');
  const path = '/api/v1/namespaces/red/runs';
  await expect
    .poll(async () => (await weak.call('GET', path, tokens.get('viewer'))).status, { timeout: 10_000 })
    .toBe(500);
  expect(await weak.call('GET', path, tokens.get('viewer'))).toMatchObject({
    body: { reason: 'ServerLacksRight', detail: expect.stringContaining('cannot list resource "crawlruns"') },
  });
  expect(await weak.call('GET', path, tokens.get('nobody'))).toMatchObject({
    status: 403,
    body: { reason: 'Forbidden' },
  });
});

test('a right that is taken away is gone at the next look', async () => {
  const token = await server.account('red', 'former', [{ resources: [RUNS], verbs: ['list'] }]);
  const list = () => server.call('GET', '/api/v1/namespaces/red/runs', token);
  expect(await list()).toMatchObject({ status: 200 });
  await server.account('red', 'former', []);
  await expect.poll(async () => (await list()).status, { timeout: 10_000 }).toBe(403);
});
