// A leader that is paused past its lease and wakes up while another leads: nothing is done twice.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LEASES, type Lease } from '#src/kube/builtin-types.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { auditRuns } from './audit.ts';
import { setStage } from './stage.ts';
import { startWorld, type World } from './world.ts';

const { signal } = new AbortController();
let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world?.stop());

test('an old leader that wakes up makes no run a second time and ends', async () => {
  await using stage = await setStage(world, 'paused', await world.postgres.createDatabase());
  const { namespace, proxy } = stage;
  const { schedules, runs, api } = world.kube;
  const leases = api.resource<Lease>(LEASES);
  const holder = async () =>
    (await leases.get({ namespace, name: 'trawler-operator' }, { signal }))?.spec?.holderIdentity;
  const slots = async (name: string) =>
    (await runs.list({ namespace, signal })).items
      .filter(({ spec }) => spec.scheduleName === name)
      .map(({ spec }) => Date.parse(spec.trigger?.scheduledTime ?? '') / 1_000)
      .sort((a, b) => a - b);

  const old = await stage.startOperator();
  await expect.poll(holder, { timeout: 30_000 }).toBeDefined();
  const oldHolder = await holder();
  for (const concurrencyPolicy of ['Allow', 'Forbid'] as const) {
    const spec = {
      concurrencyPolicy,
      schedule: '*/2 * * * * *',
      ...(concurrencyPolicy === 'Allow' ? { catchUp: { policy: 'All', maxRuns: 100 } as const } : {}),
      runTemplate: { spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] } },
    };
    await schedules.create({ metadata: { name: concurrencyPolicy.toLowerCase(), namespace }, spec }, { signal });
  }
  await expect.poll(async () => (await slots('allow')).length, { timeout: 30_000 }).toBeGreaterThan(1);

  // Its next creates hang on the way, and arrive after another has taken over.
  const late = Promise.withResolvers<false>();
  const hung = Promise.withResolvers<void>();
  proxy.inject(
    (request) => request.method === 'POST' && /\/crawlruns$/.test(request.url ?? ''),
    () => {
      hung.resolve();
      return late.promise;
    },
    2,
  );
  await hung.promise;
  old.kill('SIGSTOP');
  const clear = await startFaultProxy(world.config, { namespace });
  try {
    await stage.startOperator(clear);
    await expect.poll(holder, { timeout: 60_000 }).not.toBe(oldHolder);
    const madeByOld = (await slots('allow')).length;
    await expect.poll(async () => (await slots('allow')).length, { timeout: 30_000 }).toBeGreaterThan(madeByOld + 5);

    old.kill('SIGCONT');
    late.resolve(false);
    expect(await old.ended).toEqual({ code: 75, signal: null });
    const before = (await slots('allow')).length;
    await expect.poll(async () => (await slots('allow')).length, { timeout: 30_000 }).toBeGreaterThan(before + 2);
  } finally {
    await clear.close();
  }

  const allow = await slots('allow');
  const everySlot = Array.from({ length: allow.length }, (_, n) => (allow[0] ?? 0) + 2 * n);
  expect(allow).toEqual(everySlot);
  expect(await slots('forbid')).toHaveLength(1);
  expect(await auditRuns(world.plane.auditLogPath)).toMatchObject({ doubleSlots: [], overlaps: [] });
});
