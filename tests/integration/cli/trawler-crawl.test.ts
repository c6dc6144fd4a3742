// `trawler crawl` as a program of its own: real PostgreSQL, gateway, worker and site, and nothing left afterwards.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { projectRoot } from '../../../dev/setup/paths.mjs';
import { createSite, type Site } from '../../../dev/site/server.ts';
import { until } from '../crawler/fixture.ts';

const PROGRAM = join(projectRoot, 'src', 'cli', 'trawler.ts');

let site: Site;
/** Where the program puts its own folder: what is left there is its fault. */
let temporary: string;
let files: string;

beforeAll(async () => {
  site = await createSite();
  files = await mkdtemp(join(tmpdir(), 'trawler-cli-files-'));
  temporary = await mkdtemp(join(tmpdir(), 'trawler-cli-'));
  // PostgreSQL runs as another user where this one is root.
  await execa('chmod', ['711', temporary]);
});
afterAll(async () => {
  await site?.close();
  for (const folder of [files, temporary]) await rm(folder, { recursive: true, force: true });
});

type Spec = Record<string, unknown>;

function schedule(spec: Spec = {}, extra: Spec = {}): Spec {
  const sources = [{ name: 'shop', urls: [`${site.url}/products/`] }];
  const extract = { fields: [{ name: 'title', selector: 'h1' }] };
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'shop' },
    spec: {
      schedule: '0 6 * * *',
      runTemplate: { spec: { sources, politeness: { requestsPerSecond: 1_000 }, extract, ...spec } },
      ...extra,
    },
  };
}

function environment(extra: Record<string, string> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', HOME: temporary, TMPDIR: temporary, ...extra };
}

const allow = () => ['--allow', new URL(site.url).host];

async function crawl(document: Spec | string, args: readonly string[], extra: Record<string, string> = {}) {
  const input = typeof document === 'string' ? document : stringify(document);
  const { exitCode, stdout, stderr } = await execa(process.execPath, [PROGRAM, 'crawl', '-f', '-', ...args], {
    ...{ input, reject: false, extendEnv: false },
    env: environment(extra),
  });
  return { exitCode, stdout, stderr };
}

const lines = (text: string) => text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);

/** Processes whose arguments or environment name the folder. */
async function processesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const file of ['cmdline', 'environ']) {
      // Processes end while they are looked at.
      const text = await readFile(join('/proc', id, file), 'utf8').catch(() => '');
      if (text.includes(folder)) found.push(`${id} ${file}: ${text.replaceAll('\0', ' ').slice(0, 200)}`);
    }
  }
  return found;
}

async function expectNothingLeft(): Promise<void> {
  await until('the folder is empty', async () => (await readdir(temporary)).length === 0, 30_000);
  await until('no process is left', async () => (await processesIn(temporary)).length === 0, 30_000).catch(
    () => undefined,
  );
  expect(await processesIn(temporary)).toEqual([]);
}

describe('a crawl', () => {
  test('writes its items to standard output, says how it went, and leaves nothing', async () => {
    const { exitCode, stdout, stderr } = await crawl(schedule(), [...allow(), '--limit', '5']);
    expect(stderr).toMatch(/Succeeded: 5 pages, 0 failed, \d+ skipped, 5 items/);
    expect(exitCode).toBe(0);
    expect(lines(stdout)).toHaveLength(5);
    expect(lines(stdout)[0]).toMatchObject({ source: 'shop', url: `${site.url}/products/`, title: expect.any(String) });
    await expectNothingLeft();
  });

  test('writes a CSV file and its report as JSON', async () => {
    const output = join(files, 'items.csv');
    const args = [...allow(), '--limit', '3', '-o', 'csv', '--output', output, '--json'];
    const { exitCode, stdout, stderr } = await crawl(schedule(), args);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ outcome: 'Succeeded', succeeded: 3, items: 3, output });
    expect(exitCode).toBe(0);
    const rows = (await readFile(output, 'utf8')).trimEnd().split('\r\n');
    expect(rows[0]).toBe('source,url,title');
    expect(rows).toHaveLength(4);
  });

  test('of a page that fails ends with 1 and names page and cause', async () => {
    const sources = [{ name: 'gone', urls: [`${site.url}/errors/404`] }];
    const { exitCode, stdout, stderr } = await crawl(schedule({ sources }), allow());
    expect(stderr).toContain(`HttpError ${site.url}/errors/404: `);
    expect([exitCode, stdout]).toEqual([1, '']);
  });

  test('reaches no private address without --allow, and says how it would', async () => {
    const { exitCode, stderr } = await crawl(schedule({ politeness: { robots: 'Ignore' } }), []);
    expect(stderr).toContain('AddressForbidden');
    expect(stderr).toContain('--allow HOST:PORT');
    expect(exitCode).toBe(1);
  });

  test('takes ConfigMaps from the same file', async () => {
    const source = { name: 'shop', urlsFrom: { configMap: { name: 'urls', key: 'list' } }, scope: { mode: 'Page' } };
    const list = `${site.url}/products/1\n${site.url}/products/2\n`;
    const urls = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'urls' }, data: { list } };
    const text = `${stringify(urls)}---\n${stringify(schedule({ sources: [source] }))}`;
    const { exitCode, stdout } = await crawl(text, allow());
    expect(exitCode).toBe(0);
    // Two pages are open at once: either may be done first.
    const crawled = lines(stdout).map(({ url }) => url);
    expect(crawled.toSorted()).toEqual([`${site.url}/products/1`, `${site.url}/products/2`]);
    const without = await crawl(schedule({ sources: [source] }), allow());
    expect(without.stderr).toContain('spec.sources[0].urlsFrom.configMap: there is no ConfigMap "urls" in the file');
    expect(without.exitCode).toBe(2);
  });

  test('in the browser reads what scripts make', async () => {
    const sources = [{ name: 'js', urls: [`${site.url}/js/`], scope: { mode: 'Page' } }];
    const { exitCode, stdout } = await crawl(schedule({ sources, fetch: { render: 'Browser' } }), allow());
    expect(exitCode).toBe(0);
    expect(lines(stdout)).toHaveLength(1);
    await expectNothingLeft();
  });

  test('in the browser says how to get one where there is none', async () => {
    const document = schedule({ fetch: { render: 'Browser' } });
    const { exitCode, stderr } = await crawl(document, allow(), { TRAWLER_CHROMIUM: '/nowhere/chromium' });
    expect(stderr).toBe('error: TRAWLER_CHROMIUM names /nowhere/chromium, and there is no such file');
    expect(exitCode).toBe(69);
  });
});

describe('a dry run', () => {
  test('shows scope, items, fields without a value and links, and stores nothing', async () => {
    const fields = [
      { name: 'title', selector: 'h1' },
      { name: 'author', selector: '.author' },
    ];
    const { exitCode, stdout } = await crawl(schedule({ extract: { fields } }), [...allow(), '--dry-run', '--json']);
    expect(exitCode).toBe(0);
    const { sources } = JSON.parse(stdout) as { sources: Record<string, unknown>[] };
    expect(sources).toMatchObject([
      {
        source: 'shop',
        scope: 'mode Prefix, maxPages 1000',
        page: `${site.url}/products/`,
        result: 'done',
        items: [{ title: expect.stringContaining('Products'), author: null }],
        emptyFields: ['author'],
        links: expect.arrayContaining([`${site.url}/products/1`]),
      },
    ]);
    await expectNothingLeft();
  });

  test('of a page that robots.txt forbids says so and ends with 1', async () => {
    const sources = [{ name: 'private', urls: [`${site.url}/private/`] }];
    const { exitCode, stdout } = await crawl(schedule({ sources }), [...allow(), '--dry-run']);
    expect(stdout).toContain('result  skipped: RobotsDisallowed');
    expect(exitCode).toBe(1);
  });
});

test.each<[string, () => Spec | string, string]>([
  ['an unknown field', () => schedule({ worker: 2 }), 'spec.runTemplate.spec.worker: unknown field'],
  ['a wrong value', () => schedule({ concurrency: 0 }), 'spec.runTemplate.spec.concurrency: '],
  [
    'a missing field',
    () => schedule({ sources: [{ urls: ['http://a/'] }] }),
    'spec.runTemplate.spec.sources[0].name: is missing',
  ],
  ['a broken rule', () => schedule({}, { interval: '1h' }), 'spec: give exactly one of schedule, interval and after'],
  [
    'a duration out of its bounds',
    () => schedule({ fetch: { pageTimeout: '0s' } }),
    'fetch.pageTimeout: must be between 100ms and 1h',
  ],
  [
    'a retry of what the cluster keeps',
    () => {
      const trigger = { type: 'Retry', retryOf: 'shop-1', only: 'Dead' };
      const spec = { sources: [{ name: 'shop', urls: ['http://a/'] }], trigger };
      return { apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun', metadata: { name: 'shop' }, spec };
    },
    'spec.trigger: a retry of a part of run "shop-1" takes what the cluster keeps of it',
  ],
  ['another kind', () => ({ apiVersion: 'v1', kind: 'Pod' }), 'kind: must be one of CrawlSchedule, CrawlRun'],
  ['nothing', () => '', 'must hold one CrawlSchedule or CrawlRun, and holds 0'],
  ['no YAML', () => 'a: [', 'standard input: '],
])('a file with %s is refused with 2 and the field', async (_what, document, message) => {
  const { exitCode, stdout, stderr } = await crawl(document(), []);
  expect(stderr).toContain(message);
  expect([exitCode, stdout]).toEqual([2, '']);
});

describe('a signal', () => {
  /** A page with a link to a page that never ends. */
  async function slowSite() {
    let asked = 0;
    const server = createServer((request, response) => {
      if (request.url === '/robots.txt') return void response.writeHead(404).end();
      response.setHeader('content-type', 'text/html');
      if (request.url === '/') return void response.end('<h1>first</h1><a href="/hangs">hangs</a>');
      asked += 1;
      response.write('<h1>');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const close = () => {
      server.closeAllConnections();
      server.close();
    };
    return { host: `127.0.0.1:${port}`, asked: () => asked, close, [Symbol.dispose]: close };
  }

  async function start(host: string): Promise<{ child: ChildProcess; output: () => string; errors: () => string }> {
    const file = join(files, `${host.replace(':', '-')}.yaml`);
    await writeFile(file, stringify(schedule({ sources: [{ name: 'slow', urls: [`http://${host}/`] }] })));
    const child = spawn(process.execPath, [PROGRAM, 'crawl', '-f', file, '--allow', host], {
      ...{ env: environment(), stdio: ['ignore', 'pipe', 'pipe'] },
    });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (part: string) => {
        texts[name] += part;
      });
    }
    return { child, output: () => texts.stdout, errors: () => texts.stderr };
  }

  test('writes what was found, gives pages up when it comes twice, and leaves nothing', async () => {
    using slow = await slowSite();
    const { child, output, errors } = await start(slow.host);
    await until('the page that hangs is asked for', () => slow.asked() > 0);
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    await until('it says that it stops', () => errors().includes('press Ctrl-C again'));
    expect(child.exitCode).toBeNull();
    child.kill('SIGINT');
    const [code] = (await ended) as [number];
    expect(code).toBe(130);
    expect(output()).toContain('"title":"first"');
    await expectNothingLeft();
  });

  test('that kills the program at once leaves nothing either', async () => {
    using slow = await slowSite();
    const { child } = await start(slow.host);
    await until('the page that hangs is asked for', () => slow.asked() > 0);
    expect(await processesIn(temporary)).not.toEqual([]);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await expectNothingLeft();
  });

  test('before the crawl has begun ends it with nothing left', async () => {
    using slow = await slowSite();
    const { child } = await start(slow.host);
    await until('it has a folder', async () => (await readdir(temporary)).length > 0);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    expect(slow.asked()).toBe(0);
    await expectNothingLeft();
  });
});
