// Which pods are ended since the workers in them hang.
import { expect, it } from 'vitest';
import { hungStep } from '#src/controllers/run/hung-workers.ts';
import type { Pod } from '#src/kube/builtin-types.ts';
import type { WorkerSnapshot } from '#src/store/operator-store.ts';

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const pod = (phase: string, deletionTimestamp?: string) =>
  ({
    metadata: { name: 'a', uid: 'a', ...(deletionTimestamp ? { deletionTimestamp } : {}) },
    status: { phase },
  }) as Pod;
const worker = (more: Partial<WorkerSnapshot> = {}): WorkerSnapshot => ({
  ...{ workerId: 'a', podName: 'a', nodeName: 'n1', state: 'Crawling', pagesInFlight: 1, concurrency: 2, idleMs: 0 },
  ...{ rssBytes: 1, errors: 0, released: false, firstHeartbeatAt: at(0), lastHeartbeatAt: at(0), ...more },
});
const running = pod('Running');
const said = { stall: 'the page spins', stalledAt: at(60) };
const silent = { stall: 'no heartbeat for 90 s', stalledAt: at(90), released: true };

it.each<[string, Pod, WorkerSnapshot | undefined, number, string]>([
  ['beats', running, worker(), 59, 'Leave'],
  ['is silent', running, worker(), 61, 'Ask'],
  ['is silent and was released, since its pod had ended', running, worker({ released: true }), 61, 'Leave'],
  ['never gave a heartbeat', running, undefined, 600, 'Leave'],
  ['is silent, as its pod has ended', pod('Failed'), worker(), 61, 'Leave'],
  ['is silent, and is ended already', pod('Running', '2026-01-01T00:00:00Z'), worker(), 61, 'Leave'],
  ['was found silent by an operator that died then', running, worker(silent), 91, 'End'],
  ['ends itself', running, worker(said), 89, 'Leave'],
  ['could not end itself', running, worker(said), 91, 'End'],
])('a worker that %s', (_, its, snapshot, second, step) => {
  expect(hungStep(its, snapshot, 60_000, at(second))).toBe(step);
});
