// Cron expressions and time zones against github.com/robfig/cron, which Kubernetes' own CronJob controller uses.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseCron } from '#src/schedule/cron.ts';
import { compare } from '../../../dev/cron-oracle/comparison.ts';
import { DIFFERENCES, explain } from '../../../dev/cron-oracle/differences.ts';
import { type Oracle, startOracle } from '../../../dev/cron-oracle/oracle.ts';
import { projectRoot } from '../../../dev/setup/paths.mjs';

let oracle: Oracle;
beforeAll(async () => {
  oracle = await startOracle();
});
afterAll(() => oracle?.close());

test('both say the same of 20,000 random expressions, zones and instants, but for the documented differences', async () => {
  const { asked, agreed, explained, otherZoneData, unexplained } = await compare(oracle, {
    seed: 20_000,
    count: 20_000,
  });
  expect(unexplained).toEqual([]);
  expect(asked - agreed).toBe(otherZoneData + [...explained.values()].reduce((sum, { count }) => sum + count, 0));
  // The questions are hard enough to show differences, and there are few of them.
  expect([...explained.keys()].sort()).toEqual(expect.arrayContaining(['astray', 'gap', 'overlap']));
  expect(agreed / asked).toBeGreaterThan(0.97);
});

test('every difference has its reason in the docs', async () => {
  const page = await readFile(join(projectRoot, 'docs', 'schedules.md'), 'utf8');
  for (const difference of DIFFERENCES) expect(page).toContain(`| \`${difference}\` |`);
});

test('a slot that is more than five years away is found', async () => {
  const question = { expression: '0 0 29 2 *', timeZone: 'Etc/UTC', second: Date.parse('2096-03-01') / 1_000 };
  expect(await oracle.ask([question])).toEqual(['never']);
  const parsed = parseCron(question.expression, question.timeZone, 'seed');
  const ours = parsed.ok ? parsed.timetable.next(new Date(question.second * 1_000)) : undefined;
  expect(ours).toEqual(new Date('2104-02-29'));
  expect(explain({ ...question, ours: Date.parse('2104-02-29') / 1_000, theirs: undefined })).toBe('five-years');
});

/** Whether robfig/cron and Trawler understand an expression. */
async function understood(expression: string): Promise<{ robfig: boolean; trawler: boolean }> {
  const [answer = 'error'] = await oracle.ask([{ expression, timeZone: 'Etc/UTC', second: 1_750_000_000 }]);
  return { robfig: !answer.startsWith('error'), trawler: parseCron(expression, 'Etc/UTC', 'seed').ok };
}

describe('understood by one of them only', () => {
  test.each([
    ['0 0 L * *', 'the last day of the month'],
    ['0 0 15W * *', 'the workday nearest to a day'],
    ['0 0 LW * *', 'the last workday'],
    ['0 0 * * 1#2', 'the second Monday'],
    ['0 0 * * 5L', 'the last Friday'],
    ['0 0 * * 7', 'Sunday as the seventh day'],
    ['0 0 * * FRI-SUN', 'a range that ends with a Sunday'],
    ['H H * * *', 'times drawn by hash'],
    ['@DAILY', 'macros in capitals'],
  ])('Trawler: %s, %s', async (expression) => {
    expect(await understood(expression)).toEqual({ robfig: false, trawler: true });
  });

  test.each([
    ['@every 90s', 'which is spec.interval'],
    ['CRON_TZ=Europe/Paris 0 0 * * *', 'which is spec.timeZone'],
    ['*/90 * * * *', 'a step that is longer than the field'],
    ['0 0 31 2 *', 'a day that never comes'],
  ])('robfig/cron: %s, %s', async (expression) => {
    expect(await understood(expression)).toEqual({ robfig: true, trawler: false });
  });
});
