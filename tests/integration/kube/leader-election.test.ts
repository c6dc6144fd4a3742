// Leader election over a real Lease: one at a time, whatever happens to the leader.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LEASES, type Lease } from '#src/kube/builtin-types.ts';
import { type LeaseTiming, runAsLeader } from '#src/kube/leader-election.ts';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { apiOf, configFrom, eventually, logger } from './kube-test.ts';

const namespace = 'default';
const TIMING: LeaseTiming = { leaseDurationMs: 3_000, renewDeadlineMs: 2_000, retryPeriodMs: 200 };
let plane: ControlPlane;
let config: KubeConfig;

beforeAll(async () => {
  plane = await startControlPlane();
  config = configFrom(plane.kubeconfigPath);
});
afterAll(() => plane?.stop());

/** A candidate whose work lasts until it has to end; `log` tells who leads, in order. */
function candidate(lease: string, identity: string, log: string[], way: KubeConfig = config) {
  const stop = new AbortController();
  const { api, metrics } = apiOf(way);
  const work = async (leading: AbortSignal) => {
    log.push(`${identity} leads`);
    if (!leading.aborted) await once(leading, 'abort');
    log.push(`${identity} ends`);
  };
  const options = { api, metrics, logger, namespace, name: lease, identity, signal: stop.signal, work, timing: TIMING };
  return { end: runAsLeader(options), stop: () => stop.abort(), metrics };
}

test('the second leads as soon as the first has released', async () => {
  const log: string[] = [];
  const first = candidate('handover', 'first', log);
  await eventually(() => log.length === 1);
  const second = candidate('handover', 'second', log);
  const stoppedAt = performance.now();
  first.stop();
  expect(await first.end).toBe('stopped');
  await eventually(() => log.length === 3);
  expect(performance.now() - stoppedAt).toBeLessThan(TIMING.leaseDurationMs);
  expect(log).toEqual(['first leads', 'first ends', 'second leads']);
  second.stop();
  await second.end;
  const lease = await apiOf(config)
    .api.resource<Lease>(LEASES)
    .get({ namespace, name: 'handover' }, { signal: new AbortController().signal });
  expect(lease?.spec).toMatchObject({ leaseTransitions: 1, leaseDurationSeconds: 1 });
  expect(lease?.spec?.holderIdentity).toBeUndefined();
});

test('the lease is held until the work has ended', async () => {
  const { api, metrics } = apiOf(config);
  const leases = api.resource<Lease>(LEASES);
  const stop = new AbortController();
  const lastStep = Promise.withResolvers<void>();
  let started = false;
  const leadership = runAsLeader({
    ...{ api, metrics, logger, namespace, name: 'drain', identity: 'drainer', signal: stop.signal, timing: TIMING },
    work: () => {
      started = true;
      return lastStep.promise;
    },
  });
  await eventually(() => started);
  stop.abort();
  const read = async () =>
    (await leases.get({ namespace, name: 'drain' }, { signal: new AbortController().signal }))?.spec;
  const atStop = await read();
  const renewed = await eventually(async () => {
    const spec = await read();
    return spec?.renewTime !== atStop?.renewTime && spec;
  });
  expect(renewed.holderIdentity).toBe('drainer');
  lastStep.resolve();
  expect(await leadership).toBe('stopped');
  expect((await read())?.holderIdentity).toBeUndefined();
});

test('a leader that is cut off ends before another begins', async () => {
  const log: string[] = [];
  const proxy = await startFaultProxy(config);
  const first = candidate('cut', 'first', log, proxy.config);
  await eventually(() => log.length === 1);
  const second = candidate('cut', 'second', log);
  proxy.freeze();
  await eventually(() => log.length === 3);
  expect(log).toEqual(['first leads', 'first ends', 'second leads']);
  expect(await first.end).toBe('lost');
  second.stop();
  await second.end;
  await proxy.close();
});

test('a leader whose work does not end is given up before another begins', async () => {
  const log: string[] = [];
  const proxy = await startFaultProxy(config);
  const { api, metrics } = apiOf(proxy.config);
  const stuck = runAsLeader({
    ...{ api, metrics, logger, namespace, name: 'stuck', identity: 'first', timing: TIMING },
    signal: new AbortController().signal,
    work: () => {
      log.push('first leads');
      return new Promise(() => {});
    },
  }).then((end) => log.push(`first ${end}`));
  await eventually(() => log.length === 1);
  const second = candidate('stuck', 'second', log);
  proxy.freeze();
  await eventually(() => log.length === 3);
  expect(log).toEqual(['first leads', 'first lost', 'second leads']);
  await stuck;
  second.stop();
  await second.end;
  await proxy.close();
});

test('of two that see a free lease at the same time, the slower one waits', async () => {
  const log: string[] = [];
  const earlier = candidate('tie', 'earlier', log);
  await eventually(() => log.length === 1);
  earlier.stop();
  await earlier.end;
  const proxy = await startFaultProxy(config);
  const faster = Promise.withResolvers<boolean>();
  proxy.inject(
    ({ method }) => method === 'PUT',
    () => faster.promise,
  );
  const second = candidate('tie', 'second', log, proxy.config);
  await eventually(() => proxy.requests.some((request) => request.startsWith('PUT')));
  const first = candidate('tie', 'first', log);
  await eventually(() => log.includes('first leads'));
  faster.resolve(false);
  await eventually(() => proxy.requests.filter((request) => request.startsWith('GET')).length >= 3);
  expect(log.slice(2)).toEqual(['first leads']);
  for (const { stop, end } of [second, first]) {
    stop();
    await end;
  }
  await proxy.close();
});

test('of many candidates one leads', async () => {
  const log: string[] = [];
  const all = Array.from({ length: 5 }, (_, n) => candidate('race', `c${n}`, log));
  for (const turn of [1, 2, 3]) {
    await eventually(() => log.filter((line) => line.endsWith('leads')).length === turn);
    const leader = Number(log.at(-1)?.slice(1, 2));
    all[leader]?.stop();
    await all[leader]?.end;
  }
  for (const { stop, end } of all) {
    stop();
    await end;
  }
  // Strictly in turns: never two lines 'leads' without an 'ends' between them.
  expect(log.filter((_, n) => n % 2 === 0).every((line) => line.endsWith('leads'))).toBe(true);
  expect(log.filter((_, n) => n % 2 === 1).every((line) => line.endsWith('ends'))).toBe(true);
});

test('a leader that was paused (SIGSTOP) past its lease knows that it lost', async () => {
  const log: string[] = [];
  const program = new URL('./paused-leader.ts', import.meta.url).pathname;
  const paused: ChildProcess = spawn(process.execPath, [program, plane.kubeconfigPath, JSON.stringify(TIMING)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (paused.stdout === null) throw new Error('no output');
  createInterface(paused.stdout).on('line', (line) => log.push(line));
  await eventually(() => log.length === 1);
  paused.kill('SIGSTOP');
  const second = candidate('paused', 'second', log);
  await eventually(() => log.length === 2);
  paused.kill('SIGCONT');
  await once(paused, 'exit');
  expect(log).toEqual(['child leads', 'second leads', 'child ends', 'child lost']);
  second.stop();
  await second.end;
});
