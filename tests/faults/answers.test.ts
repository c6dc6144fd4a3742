// The reference scenario while answers are lost, wrong, late or from the past: its end stays the same.

import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '#src/kube/builtin-types.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import {
  answerWith,
  dropAnswer,
  type Fault,
  type FaultProxy,
  isWatch,
  statusObject,
  truncateAnswer,
} from '../support/fault-proxy.ts';
import { auditRuns } from './audit.ts';
import { createSchedules, END, firstSlot, NOTHING_YET, play, playOn, reaches } from './scenario.ts';
import { type Stage, setStage } from './stage.ts';
import { startWorld, type World } from './world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world?.stop());

/** Prepares faults; returns what ends them, where something must. */
type Spoil = (proxy: FaultProxy) => (() => void) | undefined;

/** Plays the scenario on a stage of its own. */
async function survives(name: string, spoil: Spoil): Promise<void> {
  await using stage = await setStage(world, name, await world.postgres.createDatabase());
  const end = spoil(stage.proxy);
  try {
    await stage.startOperator();
    await play(stage);
  } finally {
    end?.();
  }
}

/** The first request of each method and path that matches. */
function first(matches: (request: IncomingMessage) => boolean): (request: IncomingMessage) => boolean {
  const seen = new Set<string>();
  return (request) => {
    const key = `${request.method} ${request.url?.split('?')[0]} ${isWatch(request)}`;
    if (!matches(request) || seen.has(key)) return false;
    seen.add(key);
    return true;
  };
}

const ALWAYS = Number.POSITIVE_INFINITY;
const any = () => true;
const isWrite = (request: IncomingMessage) => request.method !== 'GET';
const isUpdate = (request: IncomingMessage) => request.method === 'PATCH' || request.method === 'PUT';

/** Each request, the first time, gets the fault. */
function onFirst(matches: (request: IncomingMessage) => boolean, fault: Fault): Spoil {
  return (proxy) => {
    proxy.inject(first(matches), fault, ALWAYS);
    return undefined;
  };
}

/** Alternates between two states until ended. */
function alternate(periodMs: number, begin: () => () => void): () => void {
  let undo: (() => void) | undefined;
  const timer = setInterval(() => {
    const last = undo;
    undo = last === undefined ? begin() : undefined;
    last?.();
  }, periodMs);
  return () => {
    clearInterval(timer);
    undo?.();
  };
}

/** A watch that begins well and then says that its version is too old. */
const expiredInStream: Fault = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ type: 'ERROR', object: statusObject(410, 'Expired') })}\n`);
  return true;
};

/** Name of the stage, what happens, how. */
const faults: [string, string, Spoil][] = [
  ['lost-answers', 'the answer to each first write is lost', onFirst(isWrite, dropAnswer)],
  ['cut-answers', 'the answer to each first request is cut in half', onFirst((r) => !isWatch(r), truncateAnswer)],
  ['conflicts', 'each first update is a conflict', onFirst(isUpdate, answerWith(409, statusObject(409, 'Conflict')))],
  [
    'too-many',
    'each first request is one too many (429)',
    onFirst(any, answerWith(429, statusObject(429, 'TooManyRequests'), { 'retry-after': '0' })),
  ],
  [
    'errors',
    'each first request is an internal error (500)',
    onFirst(any, answerWith(500, statusObject(500, 'InternalError'))),
  ],
  ['expired', 'each first watch expires in its stream (410)', onFirst(isWatch, expiredInStream)],
  [
    'storm',
    'watches expire again and again (410)',
    (proxy) => {
      proxy.inject((r) => isWatch(r) && Math.random() < 0.7, answerWith(410, statusObject(410, 'Expired')), 60);
      return undefined;
    },
  ],
  [
    'drops',
    'watches are cut twice a second',
    (proxy) =>
      alternate(500, () => {
        proxy.dropWatches();
        return () => proxy.dropWatches();
      }),
  ],
  [
    'late',
    'watches are three seconds late, every three seconds',
    (proxy) => alternate(3_000, () => proxy.holdWatches()),
  ],
  [
    'swallowed',
    'the first event about each object of its own never comes',
    (proxy) => {
      const seen = new Set<string>();
      proxy.filterEvents(({ type, object }) => {
        // What others make, no operator can know of before it hears of it.
        const isOurs = object.kind === 'Job' || object.kind === 'Pod' || /^(allow|queue)-/.test(object.metadata.name);
        if (type === 'BOOKMARK' || !isOurs) return true;
        const known = seen.has(object.metadata.uid);
        seen.add(object.metadata.uid);
        return known;
      });
      return undefined;
    },
  ],
];

describe('the scenario ends as it should', () => {
  test.concurrent.for(faults)('though $1', { timeout: 300_000 }, async ([name, , spoil]) => survives(name, spoil));
});

test('a slot that was skipped is told of though the first attempt to do so fails', async () => {
  await using stage = await setStage(world, 'unreported', await world.postgres.createDatabase());
  await stage.startOperator();
  await requested(stage, 0, /watch=true/);
  const slot = firstSlot(12);
  await createSchedules(stage, slot);
  await reaches(stage, slot, { schedules: NOTHING_YET });
  const error = answerWith(500, statusObject(500, 'InternalError'));
  stage.proxy.inject(first(isUpdate), error, ALWAYS);
  await playOn(stage, slot);
});

test('a Job that the operator never heard of is suspended with the run that is stopped', async () => {
  await using stage = await setStage(world, 'unheard', await world.postgres.createDatabase());
  const { namespace, proxy } = stage;
  const { jobs, runs } = world.kube;
  const { signal } = new AbortController();
  const isCreate = ({ method, url }: IncomingMessage) => method === 'POST' && /\/jobs$/.test(url ?? '');
  proxy.inject(isCreate, dropAnswer);
  proxy.filterEvents(({ object }) => object.kind !== 'Job' || (object as unknown as Job).spec?.suspend === true);
  await stage.startOperator();
  const spec = { sources: [{ name: 'shop', urls: ['http://shop.example/'] }] };
  await runs.create({ metadata: { name: 'shop', namespace }, spec }, { signal });
  const read = () => runs.get({ name: 'shop', namespace }, { signal });
  await expect.poll(async () => (await read())?.status?.phase, { timeout: 60_000 }).toBe('Pending');
  await runs.patch({ name: 'shop', namespace }, { type: 'merge', body: { spec: { shutdown: 'Stop' } } }, { signal });
  await expect.poll(async () => (await read())?.status?.phase, { timeout: 60_000 }).toBe('Stopped');
  expect((await jobs.get({ name: 'shop', namespace }, { signal }))?.spec?.suspend).toBe(true);
});

test('an operator that starts with lists from the past makes no run twice', async () => {
  await using stage = await setStage(world, 'past', await world.postgres.createDatabase());
  await stage.startOperator();
  await requested(stage, 0, /watch=true/);
  const slot = firstSlot(12);
  await createSchedules(stage, slot);
  await reaches(stage, slot, { schedules: NOTHING_YET });
  const past = await lists(stage);
  await playOn(stage, slot);

  for (const [path, answer] of past) {
    const isThisList = (request: IncomingMessage) => !isWatch(request) && request.url?.split('?')[0] === path;
    stage.proxy.inject(isThisList, answerWith(200, answer));
  }
  const release = stage.proxy.holdWatches();
  const { length } = stage.proxy.requests;
  await stage.restartOperator();
  // It believes that no slot has come yet, looks at the schedules, and says what it thinks of them.
  await requested(stage, length, /PATCH .*crawlschedules\/allow\/status/);
  release();
  await reaches(stage, slot, END);
  const { doubleSlots } = await auditRuns(world.plane.auditLogPath);
  expect(doubleSlots).toEqual([]);
});

test('PostgreSQL crashes in the middle', async () => {
  await using stage = await setStage(world, 'database', await world.postgres.createDatabase());
  stage.proxy.onWrite(async (count) => {
    if (count === 12 || count === 40) await world.postgres.crashAndRestart();
  });
  await stage.startOperator();
  await play(stage);
});

/** How an operator ends that is asked to. */
const AT_WORK = { code: 0, signal: null };
/** Where its process had not come to listening, since the one before still was at work. */
const STARTING = { code: null, signal: 'SIGTERM' };

test('the operator is asked to end again and again in the middle of its work', async () => {
  await using stage = await setStage(world, 'replaced', await world.postgres.createDatabase());
  const ends: ReturnType<typeof stage.replaceOperator>[] = [];
  stage.proxy.onWrite(async (count) => {
    if ([5, 14, 23, 32, 41].includes(count)) ends.push(stage.replaceOperator());
  });
  await stage.startOperator();
  await play(stage);
  expect(ends.length).toBeGreaterThan(2);
  const [first, ...others] = await Promise.all(ends);
  expect(first).toEqual(AT_WORK);
  for (const other of others) expect([AT_WORK, STARTING]).toContainEqual(other);
});

/** Longer than a leader may go without renewing its Lease. */
const AWAY_MS = 60_000;

test.each([
  ['crashes in the middle', 'api-server', 0],
  ['is away for a minute', 'api-server-away', AWAY_MS],
])('the API server %s', async (_, name, awayMs) => {
  await using stage = await setStage(world, name, await world.postgres.createDatabase());
  stage.proxy.onWrite(async (count) => {
    if (count !== 15) return;
    await world.plane.stopApiServer();
    await delay(awayMs);
    await world.plane.startApiServer();
  });
  await stage.startOperator();
  await play(stage);
});

test('the clock of the operator is set forward and back', async () => {
  const clock = await createFakeClock(world.directory);
  await using stage = await setStage(world, 'clock', await world.postgres.createDatabase(), clock.env);
  const jumps = new Map([
    [6, 90],
    [25, -90],
    [45, 0],
  ]);
  stage.proxy.onWrite(async (count) => {
    const seconds = jumps.get(count);
    if (seconds !== undefined) await clock.set(seconds);
  });
  const began = Date.now();
  await stage.startOperator();
  await play(stage);
  const times = await logTimes(stage);
  expect(Math.max(...times)).toBeGreaterThan(began + 90_000);
  expect(Math.min(...times)).toBeLessThan(began - 60_000);
});

/** Milliseconds since 1970 of each line that its operators have logged, by their own clock. */
async function logTimes({ logPath }: Stage): Promise<number[]> {
  const log = await readFile(logPath, 'utf8');
  return [...log.matchAll(/"time":"([^"]+)"/g)].map(([, time = '']) => Date.parse(time));
}

test('the audit log knows of no slot with two runs and of no overlap under Forbid', async () => {
  const { doubleSlots, overlaps, slots } = await auditRuns(world.plane.auditLogPath);
  expect({ doubleSlots, overlaps }).toEqual({ doubleSlots: [], overlaps: [] });
  expect(slots).toBeGreaterThan(0);
});

/** Waits until the operator has sent such a request, among those after the first `from`. */
async function requested(stage: Stage, from: number, pattern: RegExp): Promise<void> {
  const since = () => stage.proxy.requests.slice(from).join('\n');
  await expect.poll(since, { timeout: 60_000 }).toMatch(pattern);
}

/** What the API server answers now to the operator's lists: path to answer. */
async function lists({ world, namespace }: Stage): Promise<[string, object][]> {
  const { schedules, runs, jobs, pods } = world.kube;
  return Promise.all(
    [schedules, runs, jobs, pods].map(async ({ type, list }): Promise<[string, object]> => {
      const { items, resourceVersion } = await list({ namespace, signal: new AbortController().signal });
      const base = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
      return [`${base}/namespaces/${namespace}/${type.plural}`, { items, metadata: { resourceVersion } }];
    }),
  );
}
