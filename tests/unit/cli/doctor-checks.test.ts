// What `kubectl trawler doctor` says of what it has seen.
import { expect, test } from 'vitest';
import {
  doctorLines,
  operatorCheck,
  podChecks,
  runsCheck,
  schedulesCheck,
  serverCheck,
} from '#src/cli/plugin/doctor-checks.ts';
import type { CrawlRun, CrawlSchedule } from '#src/custom-resources/types.ts';
import type { Lease, Pod } from '#src/kube/builtin-types.ts';

const NOW = new Date('2026-01-01T00:01:00Z');
const lease = (spec: object) => ({ spec }) as Lease;
const held = (renewTime: string) => lease({ holderIdentity: 'operator-1_4711', renewTime, leaseDurationSeconds: 15 });

test.each([
  ['no Lease', undefined, 'failure', 'no operator leads in namespace ops'],
  ['nobody holds it', lease({ renewTime: '2026-01-01T00:00:59Z' }), 'failure', 'no operator leads in namespace ops'],
  ['renewed just now', held('2026-01-01T00:00:58.000000Z'), 'ok', 'operator-1 leads'],
  ['renewed late', held('2026-01-01T00:00:30Z'), 'ok', 'operator-1 leads'],
  [
    'not renewed',
    held('2026-01-01T00:00:29Z'),
    'failure',
    'operator-1 leads no more: its Lease was renewed 31 seconds ago',
  ],
])('the operator: %s', (_, seen, state, message) => {
  expect(operatorCheck(seen, 'ops', NOW)).toMatchObject({ state, message });
});

const pod = (component: string, status: 'True' | 'False') =>
  ({
    metadata: { name: 'pod', labels: { 'app.kubernetes.io/component': component } },
    status: { conditions: [{ type: 'Ready', status }] },
  }) as unknown as Pod;

test('pods, component by component: none ready fails, some ready is a warning', () => {
  const pods = [pod('operator', 'True'), pod('gateway', 'True'), pod('gateway', 'False'), pod('server', 'False')];
  expect(podChecks(pods, 'ops').map(({ name, state, message }) => [name, state, message])).toEqual([
    ['pods of the operator', 'ok', '1 of 1 ready'],
    ['pods of the gateway', 'warning', '1 of 2 ready'],
    ['pods of the server', 'failure', '0 of 1 ready'],
  ]);
});

const named = <T>(name: string, type: string, status: string) =>
  ({
    metadata: { name },
    status: { conditions: [{ type, status, reason: 'InvalidSpec', message: 'no such time zone' }] },
  }) as unknown as T;

test('schedules that are not ready are named with their reasons, runs that stall with what explains them', () => {
  const schedules = [named<CrawlSchedule>('a', 'Ready', 'True'), named<CrawlSchedule>('b', 'Ready', 'False')];
  expect(schedulesCheck(schedules)).toMatchObject({
    state: 'warning',
    message: '1 of 2 are not ready: b (InvalidSpec: no such time zone)',
  });
  expect(schedulesCheck(schedules.slice(0, 1))).toMatchObject({ state: 'ok' });
  const runs = Array.from({ length: 7 }, (_, n) => named<CrawlRun>(`run-${n}`, 'Stalled', n === 0 ? 'False' : 'True'));
  expect(runsCheck(runs)).toMatchObject({
    state: 'warning',
    message: '6 of 7 stalled: run-1, run-2, run-3, run-4, run-5 and 1 more',
    advice: 'kubectl trawler explain run-1',
  });
  expect(runsCheck(runs.slice(0, 1))).toMatchObject({ state: 'ok' });
});

test('the last line counts, and what to do stands below what is wrong', () => {
  const checks = [operatorCheck(undefined, 'ops', NOW), serverCheck(new Error('switch it on')), serverCheck(undefined)];
  const lines = doctorLines(checks);
  expect(lines.at(-1)).toBe('doctor: 3 checks, 1 warnings, 1 failures');
  expect(lines.slice(2, 4)).toEqual(["warning  Trawler's server: is not there, or not ready", '         switch it on']);
});
