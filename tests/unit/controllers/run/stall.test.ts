// What a run says of workers that have hung.
import { expect, it } from 'vitest';
import { stallVerdict } from '#src/controllers/run/stall.ts';
import type { WorkerSnapshot } from '#src/store/operator-store.ts';

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const worker = (podName: string, bornAt: number, more: Partial<WorkerSnapshot> = {}): WorkerSnapshot => ({
  ...{ workerId: podName, podName, nodeName: 'n1', state: 'Crawling', pagesInFlight: 1, concurrency: 2, idleMs: 0 },
  ...{ rssBytes: 1, errors: 0, released: false, firstHeartbeatAt: at(bornAt), lastHeartbeatAt: at(bornAt), ...more },
});
const hung = worker('a', 1, { stall: 'the page spins', stalledAt: at(10), released: true });
const words = 'worker a on node n1 hung: the page spins';

it.each<[string, WorkerSnapshot[], object | undefined]>([
  ['no worker has hung', [worker('a', 1)], undefined],
  [
    'one has',
    [hung],
    { status: 'True', reason: 'WorkerHangs', message: `${words}; its pod ends, and the Job starts another one` },
  ],
  [
    'another one works on, and nobody has come for it',
    [hung, worker('b', 2)],
    { status: 'True', reason: 'WorkerHangs' },
  ],
  [
    'another one has taken its place',
    [hung, worker('b', 11)],
    { status: 'False', reason: 'WorkerReplaced', message: `${words}; b has taken its place` },
  ],
  [
    'that one has hung as well',
    [hung, worker('b', 11, { stall: 'again', stalledAt: at(20) })],
    { status: 'True', message: expect.stringContaining('worker b on node n1 hung: again') },
  ],
  [
    'it says nothing',
    [worker('a', 1, { stall: 'no heartbeat for 300 s', stalledAt: at(10) })],
    { status: 'True', reason: 'WorkerSilent' },
  ],
])('%s', (_, workers, verdict) => {
  const said = stallVerdict({ workers, state: 'Running' });
  if (verdict === undefined) expect(said).toBeUndefined();
  else expect(said).toMatchObject(verdict);
});

it('a run that has ended is not stalled', () => {
  expect(stallVerdict({ workers: [hung], state: 'Finished' })).toEqual({
    ...{ status: 'False', reason: 'Finished', message: `${words}; the run has ended` },
  });
});
