// Schedules and runs through the API, on a real API server of Kubernetes.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import { type ServerFixture, serveAs, startFixture } from './fixture.ts';

const EVERYTHING = [{ resources: ['crawlschedules', 'crawlruns'], verbs: ['*'] }];
const spec = {
  schedule: '0 6 * * *',
  runTemplate: { spec: { sources: [{ name: 'shop', urls: ['https://shop.example/'] }] } },
};

let server: ServerFixture;
let namespace: string;
let token: string;
let count = 0;

beforeAll(async () => {
  server = await startFixture();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  namespace = `schedules-${++count}`;
  await server.kubectl(['create', 'namespace', namespace]);
  token = await server.account(namespace, 'owner', EVERYTHING);
});

const path = (rest: string) => `/api/v1/namespaces/${namespace}/${rest}`;
const call = (method: string, rest: string, body?: unknown, headers: Record<string, string> = {}) =>
  server.call(method, path(rest), token, body === undefined ? { headers } : { body, headers });
/** The answer to a body that is only announced: whoever sends it may find the connection closed before the answer. */
async function statusOfAnnounced(bytes: number): Promise<number | undefined> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': bytes };
  const sent = request(server.url + path('schedules'), { method: 'POST', headers });
  sent.flushHeaders();
  try {
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response.statusCode;
  } finally {
    sent.on('error', () => {});
    sent.destroy();
  }
}
const get = async <T>(kind: string, name: string) =>
  JSON.parse(await server.kubectl(['get', kind, name, '-n', namespace, '-o', 'json'])) as T;
const create = (name: string, more: object = {}) =>
  call('POST', 'schedules', { metadata: { name }, spec: { ...spec, ...more } });

/** As the operator would. */
async function writeStatus(kind: string, name: string, status: object): Promise<void> {
  const patch = ['--subresource=status', '--type=merge', '--patch', JSON.stringify({ status })];
  await server.kubectl(['patch', kind, name, '-n', namespace, ...patch]);
}

test('a schedule is made, read, changed and deleted, and its versions are held by If-Match', async () => {
  const made = await create('shop');
  expect(made).toMatchObject({
    status: 201,
    body: { metadata: { name: 'shop' }, spec: { concurrencyPolicy: 'Forbid' } },
  });
  const first = made.headers.get('etag') ?? expect.fail('no ETag');
  expect(await create('shop')).toMatchObject({ status: 409, body: { reason: 'Conflict' } });

  const patched = await call('PATCH', 'schedules/shop', { spec: { schedule: '0 7 * * *' } }, { 'if-match': first });
  expect(patched).toMatchObject({ status: 200, body: { spec: { schedule: '0 7 * * *' } } });
  for (const method of ['PATCH', 'PUT']) {
    const late = await call(method, 'schedules/shop', { spec }, { 'if-match': first });
    expect(late, method).toMatchObject({ status: 412, body: { reason: 'PreconditionFailed' } });
  }
  expect(await call('DELETE', 'schedules/shop', undefined, { 'if-match': first })).toMatchObject({ status: 412 });
  expect((await get<CrawlSchedule>('crawlschedule', 'shop')).spec.schedule).toBe('0 7 * * *');

  const replaced = await call('PUT', 'schedules/shop', { metadata: { labels: { team: 'a' } }, spec });
  expect(replaced).toMatchObject({
    status: 200,
    body: { metadata: { labels: { team: 'a' } }, spec: { schedule: '0 6 * * *' } },
  });
  expect(await call('DELETE', 'schedules/shop')).toMatchObject({ status: 200, body: { deleted: 'shop' } });
  expect(await call('GET', 'schedules/shop')).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining('"shop"') },
  });
});

test.each([
  [
    'an unknown field of the spec',
    { metadata: { name: 'shop' }, spec: { ...spec, shedule: 'x' } },
    400,
    'spec.shedule',
  ],
  ['an unknown field of the body', { metadata: { name: 'shop' }, spec, extra: 1 }, 400, 'extra'],
  ['a missing spec', { metadata: { name: 'shop' } }, 400, 'spec'],
  [
    'a wrong value',
    { metadata: { name: 'shop' }, spec: { ...spec, concurrencyPolicy: 'Maybe' } },
    422,
    'spec.concurrencyPolicy',
  ],
  ['a name that is too long', { metadata: { name: 'x'.repeat(53) }, spec }, 400, 'metadata.name'],
] as const)('%s is refused and named', async (_, body, status, field) => {
  const answer = await call('POST', 'schedules', body);
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toMatchObject({ status, errors: expect.arrayContaining([expect.objectContaining({ field })]) });
});

test('a list is read page by page, and a cursor of somewhere else is refused', async () => {
  for (const name of ['a', 'b', 'c']) expect((await create(name)).status).toBe(201);
  const first = await call('GET', 'schedules?limit=2');
  const { nextCursor } = first.body as { nextCursor: string };
  const second = await call('GET', `schedules?limit=2&cursor=${nextCursor}`);
  const names = [first, second].flatMap(({ body }) =>
    (body as unknown as { items: CrawlSchedule[] }).items.map(({ metadata }) => metadata.name),
  );
  expect(names).toEqual(['a', 'b', 'c']);
  expect(second.body).not.toHaveProperty('nextCursor');
  expect(await call('GET', 'schedules?cursor=nonsense')).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'cursor' }] },
  });
  expect(await call('GET', 'schedules?limit=100000')).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'limit' }] },
  });
});

test('a schedule is suspended with a note and resumed, and Events say who did it', async () => {
  await create('shop');
  const until = '2030-01-01T06:00:00.000Z';
  expect(await call('POST', 'schedules/shop/suspend', { note: 'site moves', until })).toMatchObject({
    status: 200,
    body: { spec: { suspend: true, suspendNote: 'site moves', suspendUntil: until } },
  });
  expect((await get<CrawlSchedule>('crawlschedule', 'shop')).metadata.annotations).toMatchObject({
    'trawler.dev/suspended-by': `system:serviceaccount:${namespace}:owner`,
  });
  expect(await call('POST', 'schedules/shop/resume')).toMatchObject({
    status: 200,
    body: { spec: { suspend: false } },
  });
  const { metadata, spec: resumed } = await get<CrawlSchedule>('crawlschedule', 'shop');
  expect(metadata.annotations).not.toHaveProperty('trawler.dev/suspended-by');
  expect(Object.keys(resumed)).not.toEqual(expect.arrayContaining(['suspendNote']));
  expect(Object.keys(resumed)).not.toEqual(expect.arrayContaining(['suspendUntil']));
  expect(metadata.annotations).toHaveProperty('trawler.dev/resume-requested');
  await vi.waitFor(async () => {
    const events = await server.kubectl([
      'get',
      'events',
      '-n',
      namespace,
      '-o',
      'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}',
    ]);
    expect(events).toContain(`Suspended: by system:serviceaccount:${namespace}:owner through the API: site moves`);
    expect(events).toContain('Resumed: by');
  }, 30_000);
});

test('crawl-now makes a run of one schedule, of one source, or of all active ones, with one id for all', async () => {
  const sources = ['shop', 'blog'].map((name) => ({ name, urls: [`https://${name}.example/`] }));
  await create('two', { runTemplate: { spec: { sources } } });
  await create('other');
  await create('asleep', { suspend: true });
  const crawlNow = (body: object) => server.call('POST', '/api/v1/crawl-now', token, { body: { namespace, ...body } });

  const one = await crawlNow({ schedule: 'two', source: 'blog' });
  const [run] = (one.body as { runs: { name: string; uid: string }[] }).runs;
  expect(one).toMatchObject({
    status: 200,
    body: { status: 'started', executionId: run?.uid, detail: 'one run was created' },
  });
  const made = await get<CrawlRun>('crawlrun', run?.name ?? '');
  expect(made.spec.sources.map(({ name, active }) => [name, active])).toEqual([
    ['shop', false],
    ['blog', true],
  ]);

  expect(await crawlNow({ schedule: 'none' })).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining('"none"') },
  });
  expect(await crawlNow({ schedule: 'two', source: 'x' })).toMatchObject({
    status: 404,
    body: { detail: expect.stringMatching(/"x".*shop, blog/) },
  });
  expect(await crawlNow({ source: 'shop' })).toMatchObject({ status: 400, body: { errors: [{ field: 'schedule' }] } });

  const all = await vi.waitFor(async () => {
    const answer = await crawlNow({});
    expect(answer).toMatchObject({ status: 200, body: { detail: '2 runs were created' } });
    return answer.body as { executionId: string; batchId: string };
  }, 30_000);
  expect(all.executionId).toBe(all.batchId);
  expect(await call('GET', `batches/${all.batchId}`)).toMatchObject({
    status: 200,
    body: { finished: 0, percentage: 0, runs: [{ phase: 'Pending' }, { phase: 'Pending' }] },
  });
  expect(await call('GET', `batches/${crypto.randomUUID()}`)).toMatchObject({ status: 404 });
});

test('a run is paused, changed, resumed and stopped; one that has ended is retried', async () => {
  await create('shop');
  const started = await call('POST', 'schedules/shop/run', {});
  const { name } = (started.body as { runs: { name: string }[] }).runs[0] ?? expect.fail('no run');
  expect(await call('POST', `runs/${name}/pause`, { note: 'lunch' })).toMatchObject({
    status: 200,
    body: { spec: { suspend: true } },
  });
  expect(await call('PATCH', `runs/${name}`, { spec: { politeness: { requestsPerSecond: 1 } } })).toMatchObject({
    status: 200,
  });
  expect(await call('PATCH', `runs/${name}`, { spec: { sources: [] } })).toMatchObject({ status: 422 });
  expect(await call('POST', `runs/${name}/resume`)).toMatchObject({ status: 200, body: { spec: { suspend: false } } });
  expect(await call('POST', `runs/${name}/retry`, {})).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('has not finished') },
  });
  expect(await call('POST', `runs/${name}/stop`, {})).toMatchObject({
    status: 200,
    body: { spec: { shutdown: 'Stop' } },
  });

  const time = new Date().toISOString();
  const conditions = [{ type: 'Finished', status: 'True', reason: 'Stopped', message: '', lastTransitionTime: time }];
  const status = { status: { phase: 'Stopped', conditions } };
  await server.kubectl([
    'patch',
    'crawlrun',
    name,
    '-n',
    namespace,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify(status),
  ]);
  expect(await call('POST', `runs/${name}/pause`, {})).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining('has ended (Stopped)') },
  });
  expect(await call('POST', `runs/${name}/retry`, { only: 'Dead' })).toMatchObject({
    status: 201,
    body: { metadata: { name: `${name}-retry-1` } },
  });
  const stopped = await call('GET', 'runs?phase=Stopped');
  expect((stopped.body as unknown as { items: CrawlRun[] }).items.map(({ metadata }) => metadata.name)).toEqual([name]);
  expect(await call('DELETE', `runs/${name}`)).toMatchObject({ status: 200 });
});

test('crawl-now for all makes a run also of the schedule that is run by hand in the same second', async () => {
  await create('only');
  for (let time = 0; time < 3; time += 1) {
    const [, all] = await Promise.all([
      call('POST', 'schedules/only/run', {}),
      server.call('POST', '/api/v1/crawl-now', token, { body: { namespace } }),
    ]);
    expect(all).toMatchObject({ status: 200, body: { detail: 'one run was created', runs: [{ schedule: 'only' }] } });
  }
});

test('crawl-now for all tells which schedule gets no run, and why, and runs the others', async () => {
  for (const name of ['one', 'refused', 'two']) await create(name);
  const policy = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name: `no-runs-${namespace}` } };
  const matched = { apiGroups: ['trawler.dev'], apiVersions: ['*'], operations: ['CREATE'], resources: ['crawlruns'] };
  await server.kubectl(['apply', '-f', '-'], {
    ...{ apiVersion: 'v1', kind: 'List' },
    items: [
      {
        ...{ ...policy, kind: 'ValidatingAdmissionPolicy' },
        spec: {
          matchConstraints: { resourceRules: [matched] },
          validations: [{ expression: "object.spec.scheduleName != 'refused'", message: 'not today' }],
        },
      },
      {
        ...{ ...policy, kind: 'ValidatingAdmissionPolicyBinding' },
        spec: { policyName: policy.metadata.name, validationActions: ['Deny'] },
      },
    ],
  });
  const crawlNow = (body: object) => server.call('POST', '/api/v1/crawl-now', token, { body: { namespace, ...body } });
  try {
    // A policy holds some seconds after it was made.
    const answer = await vi.waitFor(async () => {
      const one = await crawlNow({});
      expect(one.body).toHaveProperty('refused');
      return one;
    }, 30_000);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        detail: expect.stringMatching(/^2 runs were created; none of refused: .*not today/),
        runs: [{ schedule: 'one' }, { schedule: 'two' }],
        refused: [{ schedule: 'refused', detail: expect.stringContaining('not today') }],
      },
    });
    expect(await crawlNow({ schedule: 'refused' })).toMatchObject({
      body: { detail: expect.stringContaining('not today') },
    });
  } finally {
    await server.kubectl([
      'delete',
      'validatingadmissionpolicybinding,validatingadmissionpolicy',
      policy.metadata.name,
    ]);
  }
});

test('a request that is sent again with its key makes nothing twice, and a key is for one request', async () => {
  for (const name of ['one', 'two']) await create(name);
  const headers = (key: string) => ({ 'idempotency-key': key });
  const now = (key: string, body: object) =>
    server.call('POST', '/api/v1/crawl-now', token, { body, headers: headers(key) });
  const [first, second] = await Promise.all([now('k1', { namespace }), now('k1', { namespace })]);
  expect(first).toMatchObject({ status: 200, body: { runs: [{ schedule: 'one' }, { schedule: 'two' }] } });
  expect(second.body).toEqual(first.body);
  const single = await call('POST', 'schedules/one/run', {}, headers('k2'));
  expect((await call('POST', 'schedules/one/run', {}, headers('k2'))).body).toEqual(single.body);
  const runs = async () => ((await call('GET', 'runs')).body['items'] as unknown[]).length;
  expect(await runs()).toBe(3);

  const two = [1, 2].map((n) => ({ name: `s${n}`, urls: [`https://s${n}.example/`] }));
  await create('sources', { runTemplate: { spec: { sources: two } } });
  expect(await call('POST', 'schedules/sources/run', { source: 's1' }, headers('k3'))).toMatchObject({ status: 200 });
  expect(await call('POST', 'schedules/sources/run', { source: 's2' }, headers('k3'))).toMatchObject({
    status: 422,
    body: { errors: [{ field: 'Idempotency-Key' }] },
  });
  expect(await runs()).toBe(4);
});

test('a retry that is sent again with its key makes nothing twice', async () => {
  await create('shop');
  const [{ name = '' } = {}] = (await call('POST', 'schedules/shop/run', {})).body['runs'] as { name: string }[];
  const lastTransitionTime = new Date().toISOString();
  const finished = { type: 'Finished', status: 'True', reason: 'Done', message: '', lastTransitionTime };
  await writeStatus('crawlrun', name, { phase: 'Partial', conditions: [finished] });
  const retry = (key: string | undefined, body: object) =>
    call('POST', `runs/${name}/retry`, body, key === undefined ? {} : { 'idempotency-key': key });
  const nameOf = ({ body }: { body: Record<string, unknown> }) => (body['metadata'] as { name: string }).name;
  expect(nameOf(await retry(undefined, {}))).toBe(`${name}-retry-1`);
  const [first, second] = await Promise.all([retry('k', { only: 'Dead' }), retry('k', { only: 'Dead' })]);
  expect(first.status).toBe(201);
  expect(nameOf(first)).toBe(`${name}-retry-2`);
  expect(second.body).toEqual(first.body);
  // Where a name has become free before it, too.
  await call('DELETE', `runs/${name}-retry-1`);
  expect(nameOf(await retry('k', { only: 'Dead' }))).toBe(`${name}-retry-2`);
  expect(await retry('k', {})).toMatchObject({ status: 422, body: { errors: [{ field: 'Idempotency-Key' }] } });
  expect(nameOf(await retry('other', { only: 'Dead' }))).toBe(`${name}-retry-1`);
});

test('a schedule whose times cannot be read is refused, also where a change makes it so', async () => {
  expect(await create('shop', { schedule: '0 6 * *' })).toMatchObject({
    status: 422,
    body: { errors: [{ field: 'spec.schedule', message: expect.stringContaining('has 4 fields') }] },
  });
  expect(await create('shop', { timeZone: 'Mars/Base' })).toMatchObject({
    ...{ status: 422, body: { errors: [{ field: 'spec.timeZone' }] } },
  });
  expect(await create('shop', { timeZone: 'Europe/Paris' })).toMatchObject({ status: 201 });
  const wrong = { status: 422, body: { errors: [{ field: 'spec.schedule' }] } };
  expect(await call('PUT', 'schedules/shop', { spec: { ...spec, schedule: '61 * * * *' } })).toMatchObject(wrong);
  expect(await call('PATCH', 'schedules/shop', { spec: { schedule: 'x' } })).toMatchObject(wrong);
  expect(await call('PATCH', 'schedules/shop', { spec: { timeZone: 'x' } })).toMatchObject({
    ...{ status: 422, body: { errors: [{ field: 'spec.timeZone' }] } },
  });
  const toInterval = { schedule: null, interval: '2h' };
  expect(await call('PATCH', 'schedules/shop', { spec: toInterval })).toMatchObject({ status: 200 });
});

test('an identity that sends too many requests is told when to come again, and others are not', async () => {
  const other = await server.account(namespace, 'other', EVERYTHING);
  const third = await server.account(namespace, 'third', EVERYTHING);
  await server.kubectl([
    'create',
    'clusterrolebinding',
    'busy-server',
    '--clusterrole=cluster-admin',
    '--user=busy-server',
  ]);
  await using busy = await serveAs(server.cluster, 'busy-server', { requestsPerMinute: 30 });
  await vi.waitFor(async () => expect((await busy.call('GET', '/api/v1/me', third)).status).not.toBe(500), 20_000);
  // More than two windows let pass.
  const answers = await Promise.all(Array.from({ length: 12 }, () => busy.call('GET', '/api/v1/me', token)));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]).toMatchObject({ body: { reason: 'TooManyRequests' } });
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await busy.call('GET', '/api/v1/me', other)).status).not.toBe(429);
  expect(await busy.call('GET', '/health', undefined)).toMatchObject({ status: 200 });
});

test('a run is explained, and its Events are told, the newest first', async () => {
  await create('shop');
  const { body } = await call('POST', 'schedules/shop/run', {});
  const [{ name = '' } = {}] = body['runs'] as { name: string }[];
  const message = 'waiting: number 2 in line';
  const condition = { type: 'Progressing', status: 'False', reason: 'WaitingForSlot', message, observedGeneration: 1 };
  const conditions = [{ ...condition, lastTransitionTime: '2030-01-01T00:00:00Z' }];
  await writeStatus('crawlrun', name, { observedGeneration: 1, phase: 'Queued', conditions });
  expect(await call('GET', `runs/${name}/explain`)).toMatchObject({
    status: 200,
    body: {
      ...{ run: name, phase: 'Queued', since: '2030-01-01T00:00:00Z', unread: [] },
      findings: [{ reason: 'WaitingForSlot', message, advice: expect.stringContaining('spec.priority') }],
    },
  });
  expect(await call('GET', 'runs/none/explain')).toMatchObject({ status: 404 });
  await vi.waitFor(async () => {
    const { body: events } = await call('GET', `runs/${name}/events`);
    expect(events['items']).toEqual([
      expect.objectContaining({ reason: 'RunRequested', object: `CrawlRun/${name}`, time: expect.any(String) }),
    ]);
  }, 20_000);
});

test('a spec is checked and shown with its defaults and next times, and nothing is stored', async () => {
  const preview = (more: object) => call('POST', 'schedules/preview', { spec: { ...spec, ...more } });
  const daily = await preview({ timeZone: 'Etc/UTC' });
  expect(daily).toMatchObject({ status: 200, body: { schedule: { spec: { concurrencyPolicy: 'Forbid' } } } });
  const times = daily.body['times'] as string[];
  expect(times).toHaveLength(5);
  expect(times.every((time) => time.endsWith('T06:00:00.000Z') && Date.parse(time) > Date.now())).toBe(true);
  expect(await preview({ suspend: true })).toMatchObject({
    body: { times: [], message: expect.stringContaining('suspend') },
  });
  expect(await preview({ schedule: '0 6 * * 9' })).toMatchObject({
    status: 422,
    body: { reason: 'Invalid', errors: [{ field: 'spec.schedule' }] },
  });
  expect(await preview({ timeZone: 'Mars/Base' })).toMatchObject({
    status: 422,
    body: { errors: [{ field: 'spec.timeZone' }] },
  });
  expect(await preview({ no: 1 })).toMatchObject({ status: 400, body: { errors: [{ field: 'spec.no' }] } });
  expect(await call('GET', 'schedules')).toMatchObject({ body: { items: [] } });
});

test('the next runs of all schedules come in the order of their times, and the scheduler says who leads', async () => {
  for (const [name, times] of Object.entries({
    early: ['2030-01-01T00:00:00Z', '2030-01-01T02:00:00Z'],
    late: ['2030-01-01T01:00:00Z'],
  })) {
    await create(name);
    await writeStatus('crawlschedule', name, { nextScheduleTimes: times, activeCount: name === 'late' ? 1 : 0 });
  }
  const next = (query: string) => server.call('GET', `/api/v1/next?${query}`, token);
  const { body } = await next(`namespace=${namespace}`);
  expect((body['items'] as { schedule: string; isBusy: boolean }[]).map((one) => [one.schedule, one.isBusy])).toEqual([
    ['early', false],
    ['late', true],
    ['early', false],
  ]);
  expect((await next(`namespace=${namespace}&limit=1`)).body['items']).toMatchObject([{ schedule: 'early' }]);
  expect(await next('')).toMatchObject({ status: 403 });
  expect(await server.call('GET', '/api/v1/system/scheduler', token)).toMatchObject({ status: 403 });

  await server.kubectl(['apply', '-f', '-'], {
    ...{
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'trawler-operator', namespace: 'default' },
    },
    spec: { holderIdentity: 'operator-1_4711', renewTime: '2030-01-01T00:00:00.000000Z' },
  });
  const admin = await server.account(namespace, 'admin', []);
  const rule = ['--verb=list', '--resource=crawlschedules.trawler.dev'];
  await server.kubectl(['create', 'clusterrole', `all-${namespace}`, ...rule]);
  const account = `--serviceaccount=${namespace}:admin`;
  await server.kubectl(['create', 'clusterrolebinding', `all-${namespace}`, `--clusterrole=all-${namespace}`, account]);
  await expect
    .poll(async () => (await server.call('GET', '/api/v1/system/scheduler', admin)).body, { timeout: 10_000 })
    .toMatchObject({ leader: 'operator-1', schedules: expect.any(Number), nextDue: { schedule: 'early', namespace } });
});

test('without a token, with a wrong one, or for what is not there, an answer is a problem with its reason', async () => {
  expect(await server.call('GET', path('schedules'), undefined)).toMatchObject({
    status: 401,
    body: { reason: 'Unauthenticated' },
  });
  expect(await server.call('GET', path('schedules'), 'wrong')).toMatchObject({
    status: 401,
    body: { reason: 'Unauthenticated' },
  });
  expect(await server.call('GET', '/openapi.json', undefined)).toMatchObject({ status: 401 });
  expect(await server.call('GET', '/health', undefined)).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await server.call('GET', '/ready', undefined)).toMatchObject({
    status: 200,
    body: { checks: { kubernetes: true } },
  });
  expect(await server.call('GET', '/api/v2/x', token)).toMatchObject({ status: 404, body: { reason: 'NotFound' } });
  expect(await server.call('GET', path('schedules'), undefined, { headers: { 'trawler-token': token } })).toMatchObject(
    { status: 200 },
  );
  expect(await call('POST', 'schedules', '{"metadata":')).toMatchObject({
    status: 400,
    body: { reason: 'BadRequest' },
  });
  expect(await statusOfAnnounced(3_000_000)).toBe(413);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', undefined]) {
    const headers = { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) };
    const body = type === undefined ? {} : { body: '{"note":"lunch"}' };
    const answer = await fetch(server.url + path('runs/none/pause'), { method: 'POST', headers, ...body });
    expect([answer.status, ((await answer.json()) as Record<string, unknown>)['reason']], type).toEqual([
      ...[415, 'UnsupportedMediaType'],
    ]);
  }
  expect((await fetch(`${server.url}/reference`)).status).toBe(401);
  const page = await fetch(`${server.url}/reference`, { headers: { authorization: `Bearer ${token}` } });
  expect([page.status, page.headers.get('content-security-policy')]).toEqual([
    ...[200, expect.stringContaining("default-src 'none'")],
  ]);
  expect(await page.text()).toContain('/api/v1/crawl-now');
  const { headers, body } = await server.call('GET', '/openapi.json', token);
  expect(body).toMatchObject({ openapi: '3.1.0', paths: { '/api/v1/crawl-now': { post: {} } } });
  expect(headers.get('access-control-allow-origin')).toBeNull();
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-encoding')).toBe('gzip');
});
