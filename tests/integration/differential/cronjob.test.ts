// The same cases given to Kubernetes' own CronJob controller and to Trawler, side by side on one API server. CronJobs go
// by the minute, so all cases share the same five minutes; then each is looked at.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { type Case, cases, DIFFERENCES, type Fires, type Minute } from './cases.ts';
import type { Side } from './side.ts';
import { type Stage, startStage } from './stage.ts';

type Observed = { readonly fires: Fires; readonly left: number };

const MINUTE = 60_000;
const SECOND = 1_000;
/** What it takes to create all schedules on both sides. */
const LEAD = 15 * SECOND;
const seen = { cronJob: new Map<string, Observed>(), trawler: new Map<string, Observed>() };
let stage: Stage;

beforeAll(async () => {
  stage = await startStage();
  // A minute that is too near to have all schedules by then must be over before the first of them is there.
  const near = Math.ceil(Date.now() / MINUTE) * MINUTE;
  if (near - Date.now() < LEAD) await reached(new Date(near), 1);
  const first = Math.ceil(Date.now() / MINUTE) * MINUTE;
  const minute: Minute = (n) => new Date(first + (n - 1) * MINUTE);
  const refused = { cronJob: new Set<string>(), trawler: new Set<string>() };
  const sides = ['cronJob', 'trawler'] as const;

  await onBothSides(async (side, one, which) => {
    if (one.isCreatedLate) return;
    const more = which === 'trawler' ? one.trawler?.(minute) : undefined;
    const options = { ...(one.ends ? { ends: one.ends } : {}), ...(more ? { more } : {}) };
    const outcome = await side.create(one.name, one.spec(minute), options);
    if (outcome === 'refused') refused[which].add(one.name);
  });
  await takeSteps('before');
  expect(Date.now()).toBeLessThan(minute(1).getTime());

  await fired(1);
  await reached(minute(1), 25);
  await takeSteps('after1');
  await fired(2);
  await reached(minute(2), 25);
  await takeSteps('after2');
  await reached(minute(2), 45);
  await stage.leave();
  await reached(minute(3), 10);
  await takeSteps('away');
  await reached(minute(4), 30);
  stage.comeBack();
  await fired(5);
  await reached(minute(5), 15);
  await vi.waitFor(lookAround, { timeout: minute(5).getTime() + 45 * SECOND - Date.now(), interval: 500 }).catch(() => {
    // Each case tells for itself what is missing.
  });

  async function onBothSides(act: (side: Side, one: Case, which: (typeof sides)[number]) => Promise<void>) {
    await Promise.all(sides.flatMap((which) => cases.map((one) => act(stage[which], one, which))));
  }

  async function takeSteps(when: keyof NonNullable<Case['steps']>): Promise<void> {
    await onBothSides(async (side, one) => {
      await one.steps?.[when]?.(side, one.name, minute);
    });
  }

  async function reached(time: Date, seconds: number): Promise<void> {
    const wanted = time.getTime() + seconds * SECOND;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThanOrEqual(wanted), { timeout: 3 * MINUTE, interval: 200 });
  }

  /** Both controllers have come to the n-th minute. */
  async function fired(n: number): Promise<void> {
    await reached(minute(n), 0);
    const isThere = (side: Side) => side.fires('allow').some((slot) => slot.getTime() === minute(n).getTime());
    await vi.waitFor(() => expect(sides.map((which) => isThere(stage[which]))).toEqual([true, true]), {
      timeout: 40 * SECOND,
      interval: 200,
    });
  }

  /** Takes down how all cases stand; throws when one is not as it will have to be. */
  function lookAround(): void {
    for (const which of sides) {
      for (const { name } of cases) {
        const slots = stage[which].fires(name).map((slot) => 1 + (slot.getTime() - first) / MINUTE);
        const fires = refused[which].has(name) ? 'refused' : slots;
        seen[which].set(name, { fires, left: stage[which].children(name).length });
      }
    }
    for (const one of cases) expectAsMeant(one);
  }
}, 8 * MINUTE);

afterAll(() => stage?.close(), MINUTE);

/** What is expected on each side; the same on both where no difference is named. */
function meant<Value>(value: Value | { cronJob: Value; trawler: Value; because: string }) {
  return typeof value === 'object' && value !== null && 'because' in value
    ? { cronJob: value.cronJob, trawler: value.trawler }
    : { cronJob: value, trawler: value };
}

function expectAsMeant({ name, fires, left }: Case): void {
  const [cronJob, trawler] = [seen.cronJob.get(name), seen.trawler.get(name)];
  expect({ cronJob: cronJob?.fires, trawler: trawler?.fires }).toEqual(meant<Fires>(fires));
  if (left !== undefined) expect({ cronJob: cronJob?.left, trawler: trawler?.left }).toEqual(meant<number>(left));
}

test.each(cases)('$name', (one) => expectAsMeant(one));

test('there are at least thirty cases, no two of one name', () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  expect(cases.length).toBeGreaterThanOrEqual(30);
});

test('what cannot be read is created, and says so in its condition', async () => {
  const reason = async (name: string) => {
    const schedule = await stage.trawler.schedule(name);
    const { conditions } = (schedule?.status ?? {}) as { conditions?: { type: string; reason: string }[] };
    return conditions?.find(({ type }) => type === 'Ready')?.reason;
  };
  expect(await reason('unknown-zone')).toBe('UnknownTimeZone');
  expect(await reason('no-cron')).toBe('InvalidSchedule');
});

test('every difference is used by a case and has its reason in the docs', async () => {
  const named = cases
    .flatMap(({ fires, left }) => [fires, left])
    .flatMap((value) => (typeof value === 'object' && 'because' in value ? [value.because] : []));
  expect(new Set(named)).toEqual(new Set(DIFFERENCES));
  const page = await readFile(join(projectRoot, 'docs', 'schedules.md'), 'utf8');
  for (const difference of DIFFERENCES) expect(page).toContain(`| \`${difference}\` |`);
});
