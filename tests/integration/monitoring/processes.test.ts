// Operator, gateway, server and workers as processes that crawl by a schedule: a real Prometheus scrapes them and has data
// for each query of the dashboards, and each process logs the events that it is to log.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LOG_EVENTS, type LogEvent, type LogProcess } from '#src/telemetry/log-events.ts';
import { type LogLine, startLoggingProcess } from '../../support/logging-process.ts';
import { COMPILE_TIMEOUT_MS, prometheusPrograms } from '../../support/prometheus.ts';
import { type PrometheusServer, type Sample, startPrometheus } from '../../support/prometheus-server.ts';
import { html, startSite, type TestSite } from '../crawler/site.ts';
import { dashboards, filledIn, queriesOf } from './dashboards.ts';
import { type Installation, SERVICES, type Service, startInstallation } from './installation.ts';
import { ruleFile } from './rules.ts';

const NAMESPACE = 'red';
const SCHEDULE = 'shop';
const CHOSEN = { namespace: NAMESPACE, schedule: SCHEDULE };
/** Some scrapes. */
const SINCE = '10s';
const PATIENT = { timeout: 180_000 };

let site: TestSite;
let installation: Installation;
let prometheus: PrometheusServer;

beforeAll(async () => {
  await prometheusPrograms();
  site = await startSite({
    '/': html(Array.from({ length: 9 }, (_, page) => `<a href="/${page}">${page}</a>`).join('')),
    ...Object.fromEntries(Array.from({ length: 9 }, (_, page) => [`/${page}`, html(`<title>Page ${page}</title>`)])),
    '/hangs': () => {},
    '/wall': html('<title>Just a moment...</title><div id="challenge-running">Checking</div>', {}, 403),
  });
  installation = await startInstallation(`127.0.0.1:${site.port},localhost:${site.port}`);
  const { targets, kubectl } = installation;
  // What fires at once marks the dashboards.
  const rules = await ruleFile('monitoring.alerts.thresholds.blockedPages=0');
  prometheus = await startPrometheus(Object.values(targets), rules);
  await kubectl(['create', 'namespace', NAMESPACE]);
  await kubectl(['apply', '-f', '-'], schedule());
  await kubectl(['apply', '-f', '-'], runThatStays());
}, COMPILE_TIMEOUT_MS);

afterAll(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
  await site?.[Symbol.asyncDispose]();
});

const crawl = (sources: object[]) => ({
  sources,
  fetch: { render: 'HTTP', maxRetries: 0 },
  politeness: { requestsPerSecond: 4, robots: 'Ignore' },
  heartbeat: { interval: '1s' },
});

/** One source with pages, and one that fails; often, so that several runs end. */
function schedule(): object {
  return {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlSchedule' },
    metadata: { name: SCHEDULE, namespace: NAMESPACE },
    spec: {
      schedule: '*/5 * * * * *',
      runTemplate: {
        spec: crawl([
          { name: 'pages', urls: [site.url('/').href], scope: { mode: 'Host' } },
          { name: 'gone', urls: [site.url('/gone').href], scope: { mode: 'Page' } },
        ]),
      },
    },
  };
}

/** By a host that refuses it and a page that is never answered, so it stays at work. */
function runThatStays(): object {
  return {
    ...{ apiVersion: 'trawler.dev/v1alpha1', kind: 'CrawlRun' },
    metadata: { name: 'stays', namespace: NAMESPACE },
    spec: {
      ...crawl([
        { name: 'wall', urls: [`http://localhost:${site.port}/wall`], scope: { mode: 'Page' } },
        { name: 'hangs', urls: [site.url('/hangs').href], scope: { mode: 'Page' } },
      ]),
      fetch: { render: 'HTTP', pageTimeout: '10m' },
      scheduleName: SCHEDULE,
    },
  };
}

const isNumber = ({ value: [, value] }: Sample) => value !== 'NaN';

test('each query of the dashboards has data', PATIENT, async () => {
  const queries = (await dashboards()).flatMap(queriesOf);
  const unanswered = new Map(queries.map(({ title, expr }) => [title, filledIn(expr, CHOSEN, SINCE)]));
  await vi.waitFor(
    async () => {
      await installation.startPods();
      for (const path of ['/ready', '/api/v1/me']) await fetch(installation.serverUrl + path);
      for (const [title, expr] of unanswered) {
        // A table of what is ill has no rows while all is well.
        const found = await prometheus.query(expr.replaceAll(' > 0)', ')'));
        if (found.some(isNumber)) unanswered.delete(title);
      }
      expect([...unanswered.keys()]).toEqual([]);
    },
    { timeout: 150_000, interval: 500 },
  );
});

test('samples name the runs that they are of', PATIENT, async () => {
  const runs = await installation.kubectl([
    'get',
    'crawlruns',
    '-n',
    NAMESPACE,
    '-o',
    'jsonpath={.items[*].metadata.uid}',
  ]);
  const found = await prometheus.exemplars(`trawler_page_failures_total{namespace="${NAMESPACE}"}`);
  const named = found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels['run_id']));
  expect(named).not.toEqual([]);
  expect(runs.split(' ')).toEqual(expect.arrayContaining([named.at(-1)]));
});

test('each process is scraped, under its name', PATIENT, async () => {
  const found = await prometheus.query('up * on (instance, job) group_left (service) trawler_build_info');
  const targets = found.map(({ metric }) => [metric['service'], metric['instance']]);
  expect(targets.toSorted()).toEqual(SERVICES.map((service) => [service, installation.targets[service]]).toSorted());
});

describe('the log', () => {
  /** Tested where there are proxies. */
  const NOT_HERE: readonly string[] = [LOG_EVENTS.proxySwitched.message, LOG_EVENTS.configRefused.message];
  const linesOf = (from: LogProcess): readonly LogLine[] =>
    from === 'crawler' ? installation.workers.flatMap(({ lines }) => lines) : installation.processes[from].lines;
  const cases = Object.values(LOG_EVENTS)
    .filter(({ message }) => !NOT_HERE.includes(message))
    .flatMap((event: LogEvent) => event.from.map((from) => ({ ...event, from })));

  beforeAll(async () => {
    const processes = Object.values(installation.processes);
    for (const { process } of [...processes, ...installation.workers]) process.kill('SIGTERM');
    await Promise.all(processes.map(({ ended }) => ended));
  }, 120_000);

  test.each(cases)('of $from has "$message", with what it is to say', ({ message, level, from, fields }) => {
    const lines = linesOf(from).filter(({ msg }) => msg === message);
    expect(lines).not.toEqual([]);
    for (const line of lines) {
      expect(line).toMatchObject({ level, service: from, time: expect.stringMatching(/T[\d:]{8}\.\d{3}Z$/) });
      expect(Object.keys(line)).toEqual(expect.arrayContaining([...fields]));
    }
  });
});

test.each<[LogProcess, string[], number]>([
  ...SERVICES.map((service: Service) => [service, ['operator/main.ts', service], 78] as [Service, string[], number]),
  ['crawler', ['crawler-image/main.ts'], 64],
])('%s says which setting is wrong, and ends', PATIENT, async (service, args, code) => {
  const { lines, ended } = startLoggingProcess(args, { TRAWLER_LOG_LEVEL: 'loud', TRAWLER_DATABASE_URL: 'nowhere' });
  expect(await ended).toBe(code);
  const { message, level } = LOG_EVENTS.configRefused;
  expect(lines).toEqual([expect.objectContaining({ service, level, msg: message })]);
  expect(JSON.stringify(lines)).toMatch(/TRAWLER_\w+/);
});
