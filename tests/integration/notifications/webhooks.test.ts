// Notifications from the end of a run to a real HTTP receiver: what the database holds decides, whoever sends.
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { execa } from 'execa';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createAddressGuard } from '#src/crawler/network/address-guard.ts';
import { createAddressPolicy, parseAllowedAddresses } from '#src/crawler/network/address-policy.ts';
import { sendNotifications } from '#src/notifications/sender.ts';
import { createWebhookClient } from '#src/notifications/webhook-client.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import { createOperatorStore } from '#src/store/postgres-operator-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { listDeliveries, testTarget } from '../../../operator/notifications.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { type Installation, install, never, SCHEMA } from '../store/fixture.ts';

let server: PostgresServer;
let database: Installation;

beforeAll(async () => {
  server = await startPostgres(18, { fsync: false });
  database = await install(server);
});
afterAll(async () => {
  await database?.[Symbol.asyncDispose]();
  await server?.stop();
});
// Each test has its own schedules; what an earlier one left must not be sent by it.
afterEach(() => database.admin.query('truncate notification, delivery, disabled_target cascade'));

type Received = { readonly headers: IncomingMessage['headers']; readonly body: string };

async function startReceiver(answer: (response: ServerResponse, count: number) => void, on = 0) {
  const received: Received[] = [];
  const http = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ headers: request.headers, body });
    answer(response, received.length);
  }).listen(on, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as { port: number };
  const close = () => {
    http.closeAllConnections();
    http.close();
  };
  return { received, port, url: `http://127.0.0.1:${port}/hook`, close, [Symbol.dispose]: close };
}

type Target = NonNullable<Parameters<typeof crawlScheduleSpec.parse>[0]>;

/** A schedule with these receivers, and a sender for it. */
function scheduleWith(
  notifications: Target[],
  options: { allow?: string; secrets?: Record<string, string>; timeoutMs?: number } = {},
) {
  const scheduleUid = randomUUID();
  const targets = crawlScheduleSpec.shape.notifications.parse(notifications);
  const policy = createAddressPolicy(parseAllowedAddresses(options.allow ?? ''));
  const client = createWebhookClient(createAddressGuard(policy), options.timeoutMs);
  const send = (store = database.operator) =>
    sendNotifications(
      {
        ...{ store: store.notifications, client, now: () => new Date(), logger: createLogger('test', 'fatal') },
        findTargets: (uid) => (uid === scheduleUid ? { namespace: 'default', name: 'shop', targets } : undefined),
        readSecretKey: async ({ name, key }) => options.secrets?.[`${name}/${key}`],
      },
      never,
    );
  const endRun = async (outcome: 'Failed' | 'Stopped' | 'TimedOut' = 'Failed') => {
    const { runId } = await database.createRun({}, { scheduleUid });
    await database.operator.finishStopped(runId, outcome, 'the site <is> down', never);
    return runId;
  };
  return { send, endRun, scheduleUid, [Symbol.asyncDispose]: () => client.close() };
}

async function deliveries() {
  const { rows } = await database.admin.query(
    `select target, state, tries, status, error, round(extract(epoch from next_at - tried_at))::int as wait_s from delivery order by target`,
  );
  return rows;
}

/** The database's clock for deliveries is moved on to the next try of them, by so many seconds. */
async function nextTry(): Promise<number> {
  const { rows } = await database.admin.query<{ seconds: number }>(
    `select extract(epoch from min(next_at) - now())::float8 as seconds from delivery where state = 'pending'`,
  );
  const seconds = Math.max(0, rows[0]?.seconds ?? 0);
  await database.admin.query(
    `update delivery set next_at = next_at - $1 * interval '1 s', tried_at = tried_at - $1 * interval '1 s'`,
    [seconds],
  );
  return seconds;
}

const dueNow = () => database.admin.query(`update delivery set next_at = now() where state = 'pending'`);

const secret = () => `whsec_${randomBytes(24).toString('base64')}`;

test('the end of a run is sent once, signed by both secrets, with its facts', async () => {
  using receiver = await startReceiver((response) => response.writeHead(204).end());
  const [old, current] = [secret(), secret()];
  const target = { name: 'ops', url: receiver.url, signingSecretRef: { name: 'hook' } };
  await using schedule = scheduleWith([target], {
    allow: `127.0.0.1:${receiver.port}`,
    secrets: { 'hook/secret': `${current} ${old}\n` },
  });
  const runId = await schedule.endRun();
  // Ending it again changes nothing, and sends nothing.
  await database.operator.finishStopped(runId, 'Stopped', 'again', never);
  await schedule.send();
  await schedule.send();
  expect(receiver.received).toHaveLength(1);
  const [{ headers, body } = { headers: {}, body: '' }] = receiver.received;
  for (const known of [old, current]) {
    expect(new Webhook(known).verify(body, headers as Record<string, string>)).toMatchObject({
      type: 'run.failed',
      data: { runId, outcome: 'Failed', message: 'the site <is> down', items: 0 },
    });
  }
  expect(() => new Webhook(secret()).verify(body, headers as Record<string, string>)).toThrow('No matching signature');
  expect(await deliveries()).toMatchObject([{ target: 'ops', state: 'delivered', tries: 1, status: 204 }]);
});

test('an operator that ends between the change and the delivery loses nothing', async () => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
  const runId = await schedule.endRun();
  const next = createOperatorStore({
    ...{ databaseUrl: database.database.ownerUrl, schema: SCHEMA, logger: createLogger('test', 'fatal') },
  });
  await schedule.send(next);
  await next.close();
  expect(receiver.received.map(({ body }) => JSON.parse(body).data.runId)).toEqual([runId]);
});

test('an operator that ends between the delivery and its record sends it again with the same id', async () => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
  await schedule.endRun();
  const { notifications } = database.operator;
  const cut = { ...notifications, record: () => Promise.reject(new Error('killed')) };
  await expect(schedule.send({ ...database.operator, notifications: cut })).rejects.toThrow('killed');
  await schedule.send();
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  expect(ids).toHaveLength(2);
  expect(new Set(ids).size).toBe(1);
});

describe('a receiver', () => {
  test('that is away is tried again later each time, and in the end given up', async () => {
    const gone = await startReceiver(() => undefined);
    gone.close();
    await using schedule = scheduleWith([{ name: 'ops', url: gone.url }], { allow: `127.0.0.1:${gone.port}` });
    await schedule.endRun();
    const waits: number[] = [];
    for (let tries = 1; tries <= 10; tries += 1) {
      await schedule.send();
      const [delivery] = await deliveries();
      expect(delivery).toMatchObject({ tries, status: null, error: expect.stringContaining('ECONNREFUSED') });
      expect(delivery.state).toBe(tries < 10 ? 'pending' : 'failed');
      if (tries < 10) waits.push(delivery.wait_s);
      await dueNow();
    }
    expect(waits).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'failed', tries: 10 }]);
  });

  test('that comes back gets what it has missed', async () => {
    using receiver = await startReceiver((response, count) => response.writeHead(count === 1 ? 503 : 200).end());
    await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
    await schedule.endRun();
    await schedule.send();
    // Its time has not come.
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'pending', tries: 1, status: 503 }]);
    await dueNow();
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'delivered', tries: 2, error: null }]);
    const [first, second] = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(first).toBe(second);
  });

  test('that is away for an hour gets all that it has missed meanwhile, each once', async () => {
    const { port, url, close } = await startReceiver(() => undefined);
    close();
    await using schedule = scheduleWith([{ name: 'ops', url }], { allow: `127.0.0.1:${port}` });
    const runs = [await schedule.endRun(), await schedule.endRun()];
    let away = 0;
    for (let tries = 0; away < 3_600; tries += 1) {
      await schedule.send();
      away += await nextTry();
      if (tries === 1) runs.push(await schedule.endRun());
    }
    using receiver = await startReceiver((response) => response.writeHead(200).end(), port);
    while ((await deliveries()).some(({ state }) => state === 'pending')) {
      await schedule.send();
      await nextTry();
    }
    expect(receiver.received.map(({ body }) => JSON.parse(body).data.runId).toSorted()).toEqual(runs.toSorted());
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(runs.length);
    expect((await deliveries()).map(({ state }) => state)).toEqual(runs.map(() => 'delivered'));
  });

  test('that asks for patience gets it', async () => {
    using receiver = await startReceiver((response) => response.writeHead(429, { 'retry-after': '1234' }).end());
    await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
    await schedule.endRun();
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'pending', status: 429, wait_s: 1_234 }]);
  });

  test('that answers 410 is sent nothing more, and does not disturb the others', async () => {
    using gone = await startReceiver((response) => response.writeHead(410).end());
    using other = await startReceiver((response) => response.writeHead(200).end());
    const targets = [
      { name: 'gone', url: gone.url },
      { name: 'other', url: other.url },
    ];
    await using schedule = scheduleWith(targets, { allow: `127.0.0.1:${gone.port},127.0.0.1:${other.port}` });
    for (const _ of [1, 2]) {
      await schedule.endRun();
      await schedule.send();
    }
    expect([gone.received.length, other.received.length]).toEqual([1, 2]);
    expect((await deliveries()).map(({ target, state }) => [target, state])).toEqual([
      ['gone', 'disabled'],
      ['gone', 'disabled'],
      ['other', 'delivered'],
      ['other', 'delivered'],
    ]);
  });

  test('that never answers is given up after its time', async () => {
    using receiver = await startReceiver(() => undefined);
    const options = { allow: `127.0.0.1:${receiver.port}`, timeoutMs: 200 };
    await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], options);
    await schedule.endRun();
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'pending', status: null, error: 'no answer within 0.2 s' }]);
  });

  test('at a private address is never connected to', async () => {
    using receiver = await startReceiver((response) => response.writeHead(200).end());
    const targets = [
      { name: 'literal', url: receiver.url },
      { name: 'name', url: `http://localhost:${receiver.port}/` },
    ];
    await using schedule = scheduleWith(targets);
    await schedule.endRun();
    await schedule.send();
    expect(receiver.received).toEqual([]);
    for (const delivery of await deliveries()) {
      expect(delivery).toMatchObject({ state: 'pending', error: expect.stringContaining('are not allowed') });
    }
  });

  test('that redirects is not followed', async () => {
    using inner = await startReceiver((response) => response.writeHead(200).end());
    using outer = await startReceiver((response) => response.writeHead(307, { location: inner.url }).end());
    const allow = `127.0.0.1:${outer.port},127.0.0.1:${inner.port}`;
    await using schedule = scheduleWith([{ name: 'ops', url: outer.url }], { allow });
    await schedule.endRun();
    await schedule.send();
    expect([outer.received.length, inner.received.length]).toEqual([1, 0]);
    expect(await deliveries()).toMatchObject([{ state: 'pending', status: 307 }]);
  });

  test('whose Secret is not there waits for it, and its URL is told to nobody', async () => {
    using receiver = await startReceiver((response) => response.writeHead(200).end());
    const secrets: Record<string, string> = {};
    const target = { name: 'slack', urlSecretRef: { name: 'slack' }, format: 'Slack' };
    await using schedule = scheduleWith([target], { allow: `127.0.0.1:${receiver.port}`, secrets });
    await schedule.endRun();
    await schedule.send();
    expect(await deliveries()).toMatchObject([
      { error: 'urlSecretRef: there is no Secret "slack" with the key "url"' },
    ]);
    secrets['slack/url'] = 'not a URL but a secret';
    await dueNow();
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ error: 'the URL of the receiver is no http or https URL' }]);
    secrets['slack/url'] = `${receiver.url}\n`;
    await dueNow();
    await schedule.send();
    const text = expect.stringMatching(
      /^default\/run-[0-9a-f]+: Failed \(0 pages, 0 failed, 0 items\): the site &lt;is&gt; down$/,
    );
    expect(receiver.received.map(({ body }) => JSON.parse(body))).toEqual([{ text }]);
  });
});

test('only what a receiver asks for is sent, and a run without a schedule sends nothing', async () => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  const target = { name: 'ops', url: receiver.url, events: ['TimedOut'] };
  await using schedule = scheduleWith([target], { allow: `127.0.0.1:${receiver.port}` });
  await schedule.endRun('Failed');
  await schedule.endRun('TimedOut');
  const { runId } = await database.createRun();
  await database.operator.finishStopped(runId, 'TimedOut', 'late', never);
  await schedule.send();
  expect(receiver.received.map(({ body }) => JSON.parse(body).type)).toEqual(['run.timedout']);
});

test('an event of a schedule is sent once for each occasion', async () => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  const target = { name: 'ops', url: receiver.url };
  await using schedule = scheduleWith([target, { ...target, name: 'chat', format: 'Slack' }], {
    allow: `127.0.0.1:${receiver.port}`,
  });
  const { notifications } = database.operator;
  const payload = { namespace: 'default', schedule: 'shop', reason: 'NoSuccessInTime', message: 'none <yet>' };
  const event = { scheduleUid: schedule.scheduleUid, event: 'Late' as const, occasion: 'monday', payload };
  for (const occasion of ['monday', 'monday', 'friday'])
    await notifications.noteOfSchedule({ ...event, occasion }, never);
  await schedule.send();
  const bodies = receiver.received.map(({ body }) => JSON.parse(body));
  expect(bodies).toHaveLength(4);
  expect(bodies).toEqual(
    expect.arrayContaining([
      { type: 'schedule.late', timestamp: expect.any(String), data: payload },
      { text: 'default/shop: Late: none &lt;yet&gt;' },
    ]),
  );
});

test.each<[string, object, string[]]>([
  ['fewer items than expected', { expect: { items: { min: 1 } } }, ['run.empty', 'run.unexpected']],
  ['as many as expected', { expect: { items: { min: 0, max: 0 } } }, ['run.empty']],
])('%s', async (_what, spec, types) => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
  await succeedWithoutItem(spec, schedule.scheduleUid);
  await schedule.send();
  expect(receiver.received.map(({ body }) => JSON.parse(body).type).toSorted()).toEqual(types);
});

test('a host that refuses pages is told once for the run, while it is at work', async () => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  const targets = [
    { name: 'ops', url: receiver.url },
    { name: 'chat', url: receiver.url, format: 'Slack' },
  ];
  await using schedule = scheduleWith(targets, { allow: `127.0.0.1:${receiver.port}` });
  const { scheduleUid } = schedule;
  const run = await database.createRun({}, { scheduleUid });
  const worker = run.worker();
  await worker.seed([{ source: 'site', url: 'http://refusing.test/', host: 'refusing.test', depth: 0 }], never);
  for (const evidence of ['a captcha', 'another']) await worker.reportBlock('refusing.test', evidence, never);
  await schedule.send();
  const bodies = receiver.received.map(({ body }) => JSON.parse(body));
  const data = expect.objectContaining({
    runId: run.runId,
    host: 'refusing.test',
    message: 'refusing.test: a captcha',
  });
  expect(bodies).toHaveLength(2);
  expect(bodies).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ type: 'run.blocked', data }),
      { text: expect.stringMatching(/^default\/run-[0-9a-f]+: Blocked: refusing.test: a captcha$/) },
    ]),
  );
});

async function succeedWithoutItem(spec: Parameters<Installation['createRun']>[0], scheduleUid: string): Promise<void> {
  const run = await database.createRun(spec, { scheduleUid });
  const worker = run.worker();
  // One that no other run has just asked.
  const host = `${run.runId}.test`;
  await worker.seed([{ source: 'site', url: `http://${host}/`, host, depth: 0 }], never);
  const claimed = await worker.claim(1, never);
  if (claimed.state !== 'Claimed') throw new Error(`no claim: ${claimed.state}`);
  await worker.commit(
    claimed.claims.map((claim) => ({ type: 'done' as const, claim, items: [], links: [] })),
    never,
  );
  expect(await worker.finish(never)).toBe(true);
}

test('a run that succeeded without an item is Empty, too', async () => {
  using receiver = await startReceiver((response) => response.writeHead(200).end());
  const target = { name: 'ops', url: receiver.url, events: ['Succeeded', 'Empty'] };
  await using schedule = scheduleWith([target], { allow: `127.0.0.1:${receiver.port}` });
  await succeedWithoutItem({}, schedule.scheduleUid);
  await schedule.send();
  expect(receiver.received.map(({ body }) => JSON.parse(body).type).toSorted()).toEqual(['run.empty', 'run.succeeded']);
});

describe('a person', () => {
  const waiting = { ...{ state: 'pending', tries: 1, status: 503 }, error: 'the receiver answered 503' };

  test('sees what was sent to whom and what was not, of one schedule', async () => {
    using receiver = await startReceiver((response, n) => response.writeHead(n === 1 ? 204 : 503).end());
    const target = (name: string) => ({ name, url: receiver.url, events: ['Failed', 'Stopped'] });
    await using schedule = scheduleWith([target('ops')], { allow: `127.0.0.1:${receiver.port}` });
    await using other = scheduleWith([target('ops')], { allow: `127.0.0.1:${receiver.port}` });
    await schedule.endRun();
    await schedule.send();
    await schedule.endRun('Stopped');
    await schedule.send();
    await other.endRun();
    await other.send();
    const { scheduleUid } = schedule;
    const { deliveries } = database.operator;
    const found = await deliveries.list({ scheduleUid, limit: 10 }, never);
    expect(found).toMatchObject([
      { event: 'Stopped', target: 'ops', run: expect.any(String), ...waiting, nextAt: expect.any(Date) },
      { event: 'Failed', target: 'ops', state: 'delivered', tries: 1, status: 204, triedAt: expect.any(Date) },
    ]);
    expect(found[1]).not.toHaveProperty('nextAt');
    expect(await deliveries.list({ scheduleUid, limit: 1 }, never)).toEqual([found[0]]);
    expect(await deliveries.list({ scheduleUid, state: 'delivered', limit: 9 }, never)).toEqual([found[1]]);
    expect(await deliveries.list({ scheduleUid, target: 'other', limit: 9 }, never)).toEqual([]);

    const flags = ['--schedule-uid', scheduleUid, '--state', 'delivered', '--limit', '5', '--json'];
    const program = [join(projectRoot, 'operator', 'main.ts'), 'notifications', 'list', ...flags];
    const { stdout } = await execa(process.execPath, program, {
      env: { TRAWLER_DATABASE_URL: database.database.ownerUrl },
    });
    expect(JSON.parse(stdout)).toMatchObject({ event: 'Failed', target: 'ops', state: 'delivered' });
  });

  test('sends again what was given up, with the id that it had and all its tries', async () => {
    let status = 500;
    using receiver = await startReceiver((response) => response.writeHead(status).end());
    await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
    const { scheduleUid } = schedule;
    await schedule.endRun();
    for (let tries = 0; tries < 10; tries += 1) {
      await schedule.send();
      await dueNow();
    }
    expect(await deliveries()).toMatchObject([{ state: 'failed', tries: 10 }]);
    expect(await database.operator.deliveries.redeliver({ scheduleUid: randomUUID() }, never)).toBe(0);
    expect(await database.operator.deliveries.redeliver({ scheduleUid }, never)).toBe(1);
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'pending', tries: 1 }]);
    status = 200;
    await dueNow();
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'delivered', tries: 2 }]);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    const sent = receiver.received.length;

    expect(await database.operator.deliveries.redeliver({ scheduleUid }, never), 'it is delivered').toBe(0);
    const notificationId = String(receiver.received[0]?.headers['webhook-id']);
    expect(await database.operator.deliveries.redeliver({ scheduleUid, notificationId }, never)).toBe(1);
    await schedule.send();
    expect(receiver.received).toHaveLength(sent + 1);
  });

  test('sends again to a receiver that had refused all further messages', async () => {
    let status = 410;
    using receiver = await startReceiver((response) => response.writeHead(status).end());
    await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
    const { scheduleUid } = schedule;
    await schedule.endRun();
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'disabled' }]);
    status = 204;
    expect(await database.operator.deliveries.redeliver({ scheduleUid, target: 'ops' }, never)).toBe(1);
    await schedule.send();
    expect(await deliveries()).toMatchObject([{ state: 'delivered' }]);
    await schedule.endRun('TimedOut');
    await schedule.send();
    expect((await deliveries()).map((one) => one.state)).toEqual(['delivered', 'delivered']);
  });

  test('tries out one receiver, signed and by its name, whatever it wants to be told', async () => {
    using receiver = await startReceiver((response) => response.writeHead(202).end());
    const key = secret();
    const signingSecretRef = { name: 'hook' };
    const targets = ['ops', 'team'].map((name) => ({ name, url: receiver.url, events: ['Late'], signingSecretRef }));
    await using schedule = scheduleWith(targets, {
      ...{ allow: `127.0.0.1:${receiver.port}`, secrets: { 'hook/secret': key } },
    });
    const { scheduleUid } = schedule;
    const options = { scheduleUid, namespace: 'default', schedule: 'shop' };
    const tried = testTarget(database.operator.deliveries, 'team', options, never);
    while (receiver.received.length === 0) await schedule.send();
    expect(await tried).toEqual(['team answered 202']);
    const [{ headers, body } = { headers: {}, body: '' }, ...more] = receiver.received;
    expect(more).toEqual([]);
    expect(new Webhook(key).verify(body, headers as Record<string, string>)).toMatchObject({
      ...{ type: 'schedule.test', data: { namespace: 'default', schedule: 'shop', reason: 'Test' } },
    });
    const listed = await listDeliveries(database.operator.deliveries, { scheduleUid, limit: 5 }, never);
    expect(listed[1]).toMatch(/ Test +team +delivered +1 +202 /);
  });

  test('is told why a receiver did not take the message', async () => {
    using receiver = await startReceiver((response) => response.writeHead(404).end());
    await using schedule = scheduleWith([{ name: 'ops', url: receiver.url }], { allow: `127.0.0.1:${receiver.port}` });
    const options = { scheduleUid: schedule.scheduleUid, namespace: 'default', schedule: 'shop' };
    const tried = testTarget(database.operator.deliveries, 'ops', options, never).catch(
      (error: Error) => error.message,
    );
    while (receiver.received.length === 0) await schedule.send();
    expect(await tried).toBe('ops: the receiver answered 404');
  });
});
