// Commands of the plugin for what has no resource: alerts, the audit, named tokens, previews, hosts and deliveries.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { never, urls } from '../store/fixture.ts';
import { answerProxyTests } from './proxy-tests.ts';
import { LIVE_RUN, RUN, SCHEDULE, type Shop, startShop } from './shop.ts';

let shop: Shop;
let keeper: Record<string, string>;

beforeAll(async () => {
  shop = await startShop();
  const verbs = [
    'get',
    'list',
    'create',
    'update',
    'delete',
    'patch',
    'acknowledge',
    'run',
    'suspend',
    'resume',
    'watch',
  ];
  const resources = ['crawlruns', 'crawlschedules', 'crawlbackfills', 'tokens', 'audits'];
  keeper = { TRAWLER_TOKEN: await shop.server.account('default', 'keeper', [{ resources, verbs }]) };
});
afterAll(() => shop?.stop());

const trawler = (...words: string[]) => shop.trawler(words, keeper);

/** Rows of a table without its head, cut at two blanks. */
const rowsOf = ({ stdout }: { stdout: string }) =>
  stdout
    .split('\n')
    .slice(1)
    .map((line) => line.split(/ {2,}/));

test('alerts are listed until somebody has seen them', async () => {
  const listed = await trawler('alerts', 'list', '--schedule', SCHEDULE);
  expect(listed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(listed.stdout).toMatch(/^TIME +EVENT +SCHEDULE +RUN +SEEN-BY +ID +MESSAGE/);
  const [first] = JSON.parse((await trawler('alerts', 'list', '-o', 'json')).stdout).items;
  expect(await trawler('alerts', 'ack', first.alertId, '--note', 'seen')).toEqual({
    ...{ exitCode: 0, stderr: '', stdout: `alert ${first.alertId} acknowledged` },
  });
  expect(await trawler('alerts', 'ack', first.alertId)).toMatchObject({
    stdout: expect.stringContaining('had been acknowledged before'),
  });
  expect((await trawler('alerts', 'list')).stdout).not.toContain(first.alertId);
  const all = JSON.parse((await trawler('alerts', 'list', '--all', '-o', 'json')).stdout).items;
  expect(all.find(({ alertId }: { alertId: string }) => alertId === first.alertId)).toMatchObject({
    ...{ acknowledgedBy: 'system:serviceaccount:default:keeper', note: 'seen' },
  });
  await expect
    .poll(async () => rowsOf(await trawler('audit', '--action', 'Acknowledged')), { timeout: 30_000 })
    .toEqual([expect.arrayContaining(['Acknowledged', 'CrawlRun', RUN])]);
});

test('a token is printed once, alone, and is good until it is revoked', async () => {
  const made = await trawler('tokens', 'create', 'sync', '--role', 'viewer', '--in', 'default', '--days', '3');
  expect(made).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(/^token sync is good until .*; it is not shown again$/),
  });
  expect(made.stdout).toMatch(/^\S+$/);
  const asTool = { TRAWLER_TOKEN: made.stdout };
  expect(await shop.trawler(['items', RUN], asTool)).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await shop.trawler(['tokens', 'list', '--in', 'default'], asTool)).toMatchObject({ exitCode: 1 });
  expect(rowsOf(await trawler('tokens', 'list', '--in', 'default'))).toEqual([
    ['sync', 'viewer', 'default', expect.any(String), 'system:serviceaccount:default:keeper'],
  ]);
  expect(await trawler('tokens', 'create', 'sync', '--role', 'viewer', '--in', 'default')).toMatchObject({
    ...{ exitCode: 1, stdout: '', stderr: expect.stringContaining('there is a token "sync" already') },
  });
  expect(await trawler('tokens', 'revoke', 'sync')).toEqual({ exitCode: 0, stderr: '', stdout: 'token sync revoked' });
  await expect.poll(async () => (await shop.trawler(['items', RUN], asTool)).exitCode, { timeout: 30_000 }).toBe(1);
});

test('what an exclusion would do is counted, and nothing is changed; a host is asked as at first', async () => {
  await shop.live.worker().seed(urls(7, { prefix: 'old/' }), never);
  const specOf = async () => JSON.parse(await shop.server.kubectl(['get', 'crawlrun', LIVE_RUN, '-o', 'json'])).spec;
  const before = await specOf();
  const preview = await trawler('exclude', LIVE_RUN, '**/old/**', '--preview');
  expect(preview).toMatchObject({ exitCode: 0, stderr: '' });
  expect(preview.stdout.split('\n')[0]).toBe('7 pages that wait would be skipped, 0 queued again, 0 read again');
  expect(preview.stdout.split('\n')).toHaveLength(8);
  expect(await specOf()).toEqual(before);
  expect(await trawler('exclude', LIVE_RUN, '**/old/**', '--take-back', '--preview')).toMatchObject({
    ...{ exitCode: 1, stderr: expect.stringContaining('that changes nothing') },
  });
  expect(await trawler('reset-host', LIVE_RUN, 'site.test')).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await trawler('reset-host', LIVE_RUN, 'nowhere.test')).toMatchObject({ exitCode: 1 });
});

test('deliveries are listed, sent again by state and by id, and a receiver is tried out, by the server', async () => {
  const { notifications } = shop.installation.operator;
  const uid = await shop.server.kubectl(['get', 'crawlschedule', SCHEDULE, '-o', 'jsonpath={.metadata.uid}']);
  for (const occasion of ['1', '2', '3']) {
    await notifications.noteOfSchedule({ scheduleUid: uid, event: 'Late', occasion, payload: {} }, never);
  }
  const events = (await notifications.unrouted(99, never)).filter(({ scheduleUid }) => scheduleUid === uid);
  for (const { notificationId } of events) await notifications.route(notificationId, ['ops'], never);
  const ends = [
    { state: 'delivered', status: 200 },
    { state: 'failed', status: 500, error: 'HTTP 500' },
    { state: 'disabled', status: 410, error: 'gone' },
  ] as const;
  for (const [index, delivery] of (await notifications.dueDeliveries(9, never)).entries()) {
    await notifications.record(delivery, ends[index % ends.length] ?? ends[0], never);
  }
  const listed = await trawler('notifications', 'list', SCHEDULE);
  expect(listed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(listed.stdout).toMatch(/^TIME +EVENT +RUN +TARGET +STATE +TRIES +STATUS +NEXT +ID +ERROR/);
  const statesNow = async () =>
    (await trawler('notifications', 'list', SCHEDULE, '--json')).stdout
      .split('\n')
      .map((line): { state: string; notificationId: string } => JSON.parse(line));
  const before = await statesNow();
  expect(before.map(({ state }) => state).toSorted()).toEqual(['delivered', 'disabled', 'failed']);

  const { notificationId = '' } = before.find(({ state }) => state === 'delivered') ?? {};
  const again = ['notifications', 'redeliver', SCHEDULE, '--id', notificationId];
  expect(await trawler(...again)).toMatchObject({ stdout: '1 deliveries are sent again' });
  expect(await trawler(...again)).toMatchObject({ stdout: '0 deliveries are sent again' });
  expect(await trawler('notifications', 'redeliver', SCHEDULE, '--all', '--json')).toMatchObject({
    ...{ exitCode: 0, stdout: '{"redelivered":2}' },
  });
  expect((await statesNow()).map(({ state }) => state).toSorted()).toEqual(['pending', 'pending', 'pending']);

  const answerTests = async (end: (typeof ends)[number]) => {
    await expect
      .poll(async () => testsOf(await notifications.dueDeliveries(9, never)), { timeout: 30_000 })
      .toHaveLength(1);
    const [delivery] = testsOf(await notifications.dueDeliveries(9, never));
    if (delivery !== undefined) await notifications.record(delivery, end, never);
  };
  const testsOf = <T extends { readonly event: string }>(all: readonly T[]) =>
    all.filter(({ event }) => event === 'Test');
  const tried = async (end: (typeof ends)[number]) => {
    const [answer] = await Promise.all([
      trawler('notifications', 'test', SCHEDULE, '--target', 'ops'),
      answerTests(end),
    ]);
    return answer;
  };
  expect(await tried(ends[0])).toMatchObject({ exitCode: 0, stdout: 'ops answered 200' });
  expect(await tried(ends[1])).toMatchObject({ exitCode: 1, stderr: 'error: ops: HTTP 500' });
});

test('a proxy that works is told with the answer and the address that it goes out by, and one that is not tried with why', async () => {
  const ending = new AbortController();
  const answering = answerProxyTests(shop, ending.signal);
  try {
    expect(await trawler('proxy', 'test', SCHEDULE, '--url', 'https://ip.test/')).toEqual({
      ...{ exitCode: 0, stderr: '' },
      stdout: `the proxy of ${SCHEDULE} works: https://ip.test/ answered 200 in 7 ms; it goes out by 203.0.113.9`,
    });
  } finally {
    ending.abort();
    await answering;
  }
  const tried = trawler('proxy', 'test', SCHEDULE);
  const name = await vi.waitFor(async () => {
    const { items } = JSON.parse(await shop.server.kubectl(['get', 'crawlruns', '-o', 'json'])) as {
      items: { metadata: { name: string }; spec: { sources: { urls: string[] }[] } }[];
    };
    const found = items.find(
      ({ metadata, spec }) =>
        metadata.name.endsWith('-proxy-test') && spec.sources[0]?.urls[0] === 'https://site.test/',
    );
    return found?.metadata.name ?? expect.fail('no run yet');
  }, 30_000);
  const lastTransitionTime = new Date().toISOString();
  const conditions = [{ type: 'Finished', status: 'True', reason: 'Failed', message: '', lastTransitionTime }];
  const status = { phase: 'Failed', message: 'there is no Secret "crawl-proxy"', conditions };
  await shop.server.kubectl([
    'patch',
    'crawlrun',
    name,
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status }),
  ]);
  expect(await tried).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining(`was not tried; kubectl trawler explain ${name}: there is no Secret "crawl-proxy"`),
  });
});
