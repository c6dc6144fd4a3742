// When what is past its time is dropped, and what stays of that.
import { expect, test } from 'vitest';
import { createMaintenance, timetableOf } from '#src/controllers/maintenance.ts';
import type { MaintenanceRecord } from '#src/store/execution-store.ts';
import { createLogger } from '#src/telemetry/logger.ts';

const { signal } = new AbortController();

/** Maintenance over a store in memory, at 02:00 in Paris. */
function maintenanceAt(time: string, { last, retentionDays = 30 }: { last?: string; retentionDays?: number } = {}) {
  const state = {
    now: new Date(time),
    calls: [] as string[],
    records: [] as MaintenanceRecord[],
    told: [] as string[],
    fails: false,
  };
  const maintain = createMaintenance({
    store: {
      ensureDay: async (day) => void state.calls.push(`ensure ${day}`),
      forgetLanes: async () => void state.calls.push('lanes'),
      dropDaysBefore: async (firstKept, _kept, _signal, onDropped) => {
        state.calls.push(`days before ${firstKept}`);
        if (state.fails) throw new Error('somebody reads it');
        for (const count of [10, 5]) onDropped?.('hosts', count);
        return ['2025-01-01', '2025-01-02'];
      },
      logs: {
        forget: async (firstKept) => {
          state.calls.push(`logs before ${firstKept}`);
          return 3;
        },
        runOf: () => Promise.reject(new Error('not called')),
        parts: () => Promise.reject(new Error('not called')),
        progress: () => Promise.reject(new Error('not called')),
      },
      forgetAudit: async (firstKept) => {
        state.calls.push(`audit before ${firstKept}`);
        return 4;
      },
      executions: {
        forget: async (firstKept) => {
          state.calls.push(`executions before ${firstKept}`);
          return 7;
        },
        lastMaintenance: async () => (last === undefined ? undefined : new Date(last)),
        recordMaintenance: async (record) => void state.records.push(record),
        list: () => Promise.reject(new Error('not called')),
        find: () => Promise.reject(new Error('not called')),
        ofSlots: () => Promise.reject(new Error('not called')),
        compareImages: () => Promise.reject(new Error('not called')),
        recordUnaccepted: () => Promise.reject(new Error('not called')),
      },
    },
    runCache: { list: () => [] },
    settings: { schedule: '0 2 * * *', timeZone: 'Europe/Paris', retentionDays, historyDays: 400, logDays: 30 },
    namespace: 'trawler-system',
    onEnd: ({ outcome, message }) => void state.told.push(`${outcome}: ${message}`),
    now: () => state.now,
    logger: createLogger('test', 'fatal'),
  });
  return { state, maintain };
}

const HOURLY = ['ensure 2026-03-10', 'ensure 2026-03-11', 'lanes'];
const NIGHTLY = [
  'logs before 2026-02-08',
  'executions before 2025-02-03',
  'audit before 2025-02-03',
  'days before 2026-02-08',
];

test.each([
  ['the slot of last night is done', '2026-03-10T09:00:00Z', '2026-03-10T01:00:00Z', false],
  ['nobody was there at its time', '2026-03-10T09:00:00Z', '2026-03-09T01:00:00Z', true],
  ['there never was one', '2026-03-10T09:00:00Z', undefined, true],
  ['its second has come', '2026-03-10T01:00:00Z', '2026-03-09T01:00:00Z', true],
  ['a second is missing', '2026-03-10T00:59:59Z', '2026-03-09T01:00:00Z', false],
])('%s', async (_, now, last, isDue) => {
  const { state, maintain } = maintenanceAt(now, last === undefined ? {} : { last });
  await maintain(signal);
  expect(state.calls).toEqual([...HOURLY, ...(isDue ? NIGHTLY : [])]);
  expect(state.records).toHaveLength(isDue ? 1 : 0);
});

test('it looks again after an hour, or when the next slot comes, and does each slot once', async () => {
  const { state, maintain } = maintenanceAt('2026-03-10T00:30:00Z', { last: '2026-03-09T01:00:00Z' });
  expect(await maintain(signal)).toEqual({ requeueAfterMs: 1_800_000 });
  state.now = new Date('2026-03-10T01:00:00Z');
  expect(await maintain(signal)).toEqual({ requeueAfterMs: 3_600_000 });
  state.now = new Date('2026-03-10T02:00:00Z');
  await maintain(signal);
  expect(state.records).toMatchObject([
    {
      slot: new Date('2026-03-10T01:00:00Z'),
      outcome: 'Succeeded',
      work: { days: 2, executions: 7, auditEntries: 4, logParts: 3, hosts: 15 },
    },
  ]);
});

test('what could not be dropped is told, and the slot is tried again', async () => {
  const { state, maintain } = maintenanceAt('2026-03-10T09:00:00Z');
  state.fails = true;
  await expect(maintain(signal)).rejects.toThrow('somebody reads it');
  state.fails = false;
  await maintain(signal);
  expect(state.records).toMatchObject([
    { outcome: 'Failed', message: 'somebody reads it', work: { executions: 7, auditEntries: 4 } },
    { outcome: 'Succeeded', work: { days: 2, executions: 7, auditEntries: 4 } },
  ]);
  expect(state.told).toEqual([
    'Failed: not all that is past its time could be dropped, it is tried again: somebody reads it',
    'Succeeded: dropped: 3 logParts, 7 executions, 4 auditEntries, 15 hosts, 2 days',
  ]);
});

test('summaries are never kept for less time than results', async () => {
  const { state, maintain } = maintenanceAt('2026-03-10T09:00:00Z', { retentionDays: 500 });
  await maintain(signal);
  expect(state.calls).toContain('executions before 2024-10-26');
});

test.each([
  ['61 2 * * *', 'Etc/UTC', /61 2/],
  ['0 2 * * *', 'Mars/Base', /Mars\/Base/],
])('a schedule that cannot be read is refused: %s in %s', (schedule, timeZone, message) => {
  expect(() => timetableOf({ schedule, timeZone })).toThrow(message);
});
