// Whole workers whose browser crashes, hangs, eats memory or is killed: no request is lost, none stored twice, and no
// process is left behind.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendSignal } from '../../../dev/cluster/signals.ts';
import { type CrawlDatabase, startCrawlDatabase, type TestRun, type TestWorker, until } from './fixture.ts';
import { browserGroups, processesOf, rendererProcesses } from './process-tree.ts';
import { type Answer, html, startSite, type TestSite } from './site.ts';

let database: CrawlDatabase;
beforeAll(async () => {
  database = await startCrawlDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());

/** Other suites may be at work on the same cores. */
const PATIENT = { timeout: 240_000 };
const PAGES = 24;

type ShelteredSite = TestSite & { readonly waiting: () => number; readonly letGo: () => void };

/** Pages that are answered only when `letGo` has been called, so that a fault finds them open; and what a test adds. */
async function startShelteredSite(more: Record<string, Answer> = {}): Promise<ShelteredSite> {
  const held: (() => void)[] = [];
  let isOpen = false;
  const links = Array.from({ length: PAGES }, (_, number) => `<a href="/p/${number}">${number}</a>`).join('');
  const others = Object.keys(more)
    .filter((path) => path !== '/never')
    .map((path) => `<a href="${path}">x</a>`);
  const pages = Array.from({ length: PAGES }, (_, number): [string, Answer] => [
    `/p/${number}`,
    (request, response) => {
      const answer = () => html(`<title>Page ${number}</title>`)(request, response);
      if (isOpen) answer();
      else held.push(answer);
    },
  ]);
  const site = await startSite({
    '/': html(`<title>Start</title>${others.join('')}${links}`),
    ...Object.fromEntries(pages),
    ...more,
  });
  const letGo = () => {
    isOpen = true;
    for (const answer of held.splice(0)) answer();
  };
  return Object.assign(site, { waiting: () => held.length, letGo });
}

async function accept(site: TestSite, { maxRetries = 5, pageTimeout = '8s' } = {}): Promise<TestRun> {
  return database.accept({
    sources: [{ name: 'site', urls: [site.url('/').href], scope: { mode: 'Host' } }],
    politeness: { requestsPerSecond: 10_000, robots: 'Ignore' },
    fetch: { render: 'Browser', pageTimeout, maxRetries },
    concurrency: 3,
    heartbeat: { interval: '1s' },
  });
}

const allow = (site: TestSite) => ({ TRAWLER_ALLOWED_ADDRESSES: `127.0.0.1:${site.port}` });

async function groupOf(worker: TestWorker): Promise<number> {
  const [group] = browserGroups(worker.process.pid ?? 0);
  if (group === undefined) throw new Error('the worker has no browser');
  return group;
}

async function expectAllOnce(run: TestRun): Promise<void> {
  const { progress, outcome } = await run.snapshot();
  expect(outcome).toBe('Succeeded');
  expect(progress).toMatchObject({ queued: 0, leased: 0, succeeded: PAGES + 1, failed: 0, items: PAGES + 1 });
  const titles = (await run.items()).map((item) => item.data['title']);
  expect(titles.sort()).toEqual(['Start', ...Array.from({ length: PAGES }, (_, number) => `Page ${number}`)].sort());
}

describe('three open pages survive', PATIENT, () => {
  it.each<[string, (group: number) => void]>([
    ['the crash of the processes that show them', (group) => kill(rendererProcesses(group), 'SIGKILL')],
    ['the end of the whole browser', (group) => process.kill(-group, 'SIGKILL')],
    ['a browser that hangs', (group) => process.kill(-group, 'SIGSTOP')],
  ])('%s', async (_, harm) => {
    await using site = await startShelteredSite();
    await using run = await accept(site);
    const worker = run.startWorker(allow(site));
    await until('three pages are open', () => site.waiting() === 3);
    const group = await groupOf(worker);
    harm(group);
    site.letGo();
    expect(await worker.ended).toBe(0);
    await expectAllOnce(run);
    expect((await run.snapshot()).progress.succeeded).toBe(PAGES + 1);
    expect(processesOf(group)).toEqual([]);
  });

  it('their worker, whose browser does not outlive it', async () => {
    await using site = await startShelteredSite();
    await using run = await accept(site);
    const worker = run.startWorker(allow(site));
    await until('three pages are open', () => site.waiting() === 3);
    const group = await groupOf(worker);
    worker.process.kill('SIGKILL');
    expect(await worker.ended).toBe('SIGKILL');
    await until('the browser is gone', () => processesOf(group).length === 0);
    await database.store.releaseWorker(run.runId, worker.workerId, new AbortController().signal);
    site.letGo();
    expect(await run.startWorker(allow(site)).ended).toBe(0);
    await expectAllOnce(run);
  });
});

it('gives up a page whose script never ends, and crawls the others', PATIENT, async () => {
  await using site = await startShelteredSite({ '/loop': html('<title>Loop</title><script>for (;;);</script>') });
  site.letGo();
  await using run = await accept(site, { maxRetries: 0 });
  const worker = run.startWorker(allow(site));
  expect(await worker.ended).toBe(0);
  const { progress, failureCauses } = await run.snapshot();
  expect(progress).toMatchObject({ succeeded: PAGES + 1, failed: 1, items: PAGES + 1 });
  expect(failureCauses).toEqual({ Timeout: 1 });
});

function kill(processIds: readonly number[], signal: NodeJS.Signals): void {
  expect(processIds.length).toBeGreaterThan(0);
  for (const processId of processIds) sendSignal(processId, signal);
}

/** A memory control group, where this machine lets the test make one. */
function makeMemoryGroup(limitBytes: number) {
  const isVersion1 = existsSync('/sys/fs/cgroup/memory/cgroup.procs');
  const directory = `/sys/fs/cgroup/${isVersion1 ? 'memory/' : ''}trawler-test-${process.pid}`;
  mkdirSync(directory);
  writeFileSync(`${directory}/${isVersion1 ? 'memory.limit_in_bytes' : 'memory.max'}`, String(limitBytes));
  const events = `${directory}/${isVersion1 ? 'memory.oom_control' : 'memory.events'}`;
  return {
    add: (processId: number) => writeFileSync(`${directory}/cgroup.procs`, String(processId)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, 'utf8'))?.[1]),
    async [Symbol.asyncDispose]() {
      // Processes that were killed leave it a moment later.
      await until('the group is empty', () => readFileSync(`${directory}/cgroup.procs`, 'utf8') === '');
      rmdirSync(directory);
    },
  };
}

async function mayMakeMemoryGroups(): Promise<boolean> {
  try {
    await using _ = makeMemoryGroup(2 ** 30);
    return true;
  } catch {
    return false;
  }
}

/** Is never loaded, and takes 64 MiB a second meanwhile. */
const EATER = `<title>Eater</title><script>
  const eaten = [];
  setInterval(() => eaten.push(new Uint8Array(16 << 20).fill(1)), 250);
</script><script src="/never"></script>`;

it.skipIf(!(await mayMakeMemoryGroups()))(
  'makes room for a new worker before the kernel kills it, and loses nothing to a page that eats memory',
  PATIENT,
  async () => {
    await using site = await startShelteredSite({ '/eater': html(EATER), '/never': () => {} });
    site.letGo();
    await using group = makeMemoryGroup(700 << 20);
    await using run = await accept(site, { maxRetries: 1, pageTimeout: '120s' });
    const ends: (number | NodeJS.Signals)[] = [];
    const lines: unknown[] = [];
    // As the Job does: a worker that stopped in order is replaced.
    while (ends.at(-1) !== 0 && ends.length < 6) {
      const worker = run.startWorker(allow(site));
      group.add(worker.process.pid ?? 0);
      ends.push(await worker.ended);
      lines.push(...worker.lines.map(({ msg }) => msg));
    }
    expect(ends.slice(0, -1).every((end) => end === 143)).toBe(true);
    expect([ends.length > 1, ends.at(-1)]).toEqual([true, 0]);
    expect(group.kills()).toBe(0);
    expect(lines).toContain('memory is short: recycling the browser');
    expect(lines).toContain('memory is short: finishing pages under way, another worker goes on');
    const { progress, failureCauses } = await run.snapshot();
    expect(progress).toMatchObject({ queued: 0, leased: 0, succeeded: PAGES + 1, failed: 1, items: PAGES + 1 });
    expect(failureCauses).toEqual({ BrowserError: 1 });
  },
);
