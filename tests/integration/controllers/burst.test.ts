// Many schedules that are due in the same second, as the API server's audit log saw it: how many requests a run costs, and
// that nothing which only mirrors what is known goes out while runs wait for their Jobs.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CRAWL_SCHEDULES, type CrawlSchedule } from '#src/custom-resources/types.ts';
import type { KubeApi } from '#src/kube/client.ts';
import { isConditionTrue } from '#src/kube/conditions.ts';
import { PATIENCE_MS } from '#src/kube/urgency.ts';
import { auditEvents, succeeded } from '../../support/audit-log.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { connect, type RunningOperator, startOperator } from '../../support/running-operator.ts';

const DUE = 60;
const RECONCILERS = 16;
/** Urgent work that may still be under way when the rest begins. */
const UNDER_WAY = 4;
const namespace = 'default';
const { signal } = new AbortController();

let cluster: ControlPlane;
let postgres: PostgresServer;
let operator: RunningOperator;
let api: KubeApi;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([startControlPlane({ audit: true }), startPostgres(15)]);
  await installCrds(cluster);
  const database = await postgres.createDatabase({ createRole: true });
  operator = startOperator(cluster.kubeconfigPath, database.ownerUrl, { reconcilers: RECONCILERS });
  api = connect(cluster.kubeconfigPath);
});
afterAll(async () => {
  await operator?.stop();
  await api?.close();
  await Promise.all([cluster?.stop(), postgres?.stop()]);
});

const each = <T>(work: (name: string) => Promise<T>) =>
  Promise.all(Array.from({ length: DUE }, (_, n) => work(`shop-${n}`)));

/** Makes all schedules due at the same second, which is still to come when the last of them was edited; that second. */
async function makeDue(): Promise<number> {
  for (let leadMs = 5_000; ; leadMs *= 2) {
    const slot = new Date(Math.ceil((Date.now() + leadMs) / 1_000) * 1_000);
    const day = [slot.getUTCDate(), slot.getUTCMonth() + 1];
    const schedule = [slot.getUTCSeconds(), slot.getUTCMinutes(), slot.getUTCHours(), ...day, '*'].join(' ');
    const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
    await each((name) =>
      schedules.patch({ namespace, name }, { type: 'merge', body: { spec: { schedule } } }, { signal }),
    );
    await untilInForce();
    if (Date.now() < slot.getTime() - 500) return slot.getTime();
  }
}

/** The operator has read every schedule as it is now. */
async function untilInForce(): Promise<void> {
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  const isInForce = ({ metadata, status }: CrawlSchedule) =>
    status?.observedGeneration === metadata.generation && isConditionTrue(status?.conditions, 'Ready');
  await vi.waitFor(
    async () => expect((await schedules.list({ namespace, signal })).items.filter(isInForce)).toHaveLength(DUE),
    { timeout: 60_000, interval: 200 },
  );
}

type Request = { readonly what: string; readonly receivedAt: number };

/** What the operator wrote since then, by verb and resource, in the order in which the API server received it. */
async function writesSince(time: number): Promise<Request[]> {
  const requests: Request[] = [];
  for await (const event of auditEvents(cluster.auditLogPath)) {
    const { resource = '', subresource } = event.objectRef ?? {};
    const receivedAt = Date.parse(event.requestReceivedTimestamp);
    const isWrite = !['get', 'list', 'watch'].includes(event.verb) && resource !== 'leases';
    if (event.userAgent !== 'trawler' || !isWrite || receivedAt < time || !succeeded(event)) continue;
    requests.push({ what: [event.verb, resource, ...(subresource ? [subresource] : [])].join(' '), receivedAt });
  }
  return requests.sort((a, b) => a.receivedAt - b.receivedAt);
}

const QUIET_MS = 2_500;

/** Waits until every run has its Job and its status, and the operator has written nothing for a while. */
async function writesOfBurst(slot: number): Promise<Request[]> {
  return vi.waitFor(
    async () => {
      const writes = await writesSince(slot);
      expect(writes.filter(({ what }) => what === 'patch crawlruns status').length).toBeGreaterThanOrEqual(DUE);
      expect(Date.now() - (writes.at(-1)?.receivedAt ?? 0)).toBeGreaterThan(QUIET_MS);
      return writes;
    },
    { timeout: 120_000, interval: 500 },
  );
}

const isMirror = ({ what }: Request) => what.endsWith(' status') || what.endsWith(' events');

test('a due run costs six requests, and what only mirrors comes after the Jobs of all', {
  timeout: 300_000,
}, async () => {
  const spec = {
    schedule: '0 0 29 2 *',
    runTemplate: { spec: { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] } },
  };
  const schedules = api.resource<CrawlSchedule>(CRAWL_SCHEDULES);
  await each((name) => schedules.create({ metadata: { name, namespace }, spec }, { signal }));
  await untilInForce();
  const slot = await makeDue();
  const writes = await writesOfBurst(slot);

  const countOf = (what: string) => writes.filter((write) => write.what === what).length;
  const creates = ['create crawlruns', 'create secrets', 'create jobs', 'create events'];
  const mirrors = ['patch crawlruns status', 'patch crawlschedules status'];
  expect(new Set(writes.map(({ what }) => what))).toEqual(new Set([...creates, ...mirrors]));
  for (const what of creates) expect(countOf(what), what).toBe(DUE);
  // What has waited for PATIENCE_MS goes out in any case, and once more with what came after it.
  const lastJob = writes.findLast(({ what }) => what === 'create jobs')?.receivedAt ?? 0;
  const times = 1 + Math.floor((lastJob - slot) / PATIENCE_MS);
  for (const what of mirrors) {
    expect(countOf(what), what).toBeGreaterThanOrEqual(DUE);
    expect(countOf(what), what).toBeLessThanOrEqual(times * DUE);
  }

  const missing = (what: string, at: number) =>
    writes.filter((write) => write.what === what && write.receivedAt > at).length;
  const firstSecret = writes.find(({ what }) => what === 'create secrets')?.receivedAt ?? 0;
  expect(missing('create crawlruns', firstSecret)).toBeLessThanOrEqual(RECONCILERS);
  const early = writes.filter((write) => isMirror(write) && write.receivedAt < slot + PATIENCE_MS);
  for (const { what, receivedAt } of early) {
    expect(missing('create jobs', receivedAt), what).toBeLessThanOrEqual(UNDER_WAY);
  }
});
