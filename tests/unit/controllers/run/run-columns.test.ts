import { expect, test } from 'vitest';
import { runColumns } from '#src/controllers/run/run-columns.ts';

const condition = (type: string, reason: string) => ({
  ...{ type, reason, status: 'True' as const, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
});
const startedAt = new Date('2026-01-01T00:00:00.400Z');

test('the reason is that of what goes on, and of the end once there is one', () => {
  const going = [condition('Accepted', 'SpecStored'), condition('Progressing', 'Crawling')];
  expect(runColumns(going, { startedAt })).toEqual({ reason: 'Crawling' });
  const ended = [...going, condition('Complete', 'Succeeded'), condition('Finished', 'Succeeded')];
  const finishedAt = new Date('2026-01-01T01:02:03.500Z');
  expect(runColumns(ended, { startedAt, finishedAt })).toEqual({ reason: 'Succeeded', duration: '1h2m3s' });
});

test('a run that ended before its first heartbeat took no time that could be told', () => {
  expect(runColumns([condition('Finished', 'Shutdown')], { finishedAt: startedAt })).toEqual({ reason: 'Shutdown' });
  expect(runColumns([], {})).toEqual({});
});
