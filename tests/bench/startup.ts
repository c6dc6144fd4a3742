// From the second that a schedule is due to the first page fetched in a pod, beside a CronJob whose pod does nothing but fetch a
// page. Both run on the local cluster with their images present, each once a minute, half a minute apart. The time of a fetch
// is the web server's own. The last line is one JSON object.
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { webImage } from '../../dev/images/catalog.ts';
import { accessesOf, deployManual, manualUrl } from '../e2e/manual.ts';
import { apply, cluster, testNamespace } from '../support/cluster.ts';
import setUp from '../support/e2e-setup.ts';

const USAGE = `usage: npm run bench -- startup [options]
  --minutes N    how often each side starts (5)
  --json         nothing but the last line counts; it is one JSON object in any case`;
const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    help: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const MINUTES = Number(options.minutes);
const MINUTE_MS = 60_000;
/** Of a crawl after the full minute, when the CronJob is due. */
const OFFSET_MS = 30_000;
/** What starts last has this long to fetch its page. */
const PATIENCE_MS = 45_000;
const AGENTS = { crawl: 'TrawlerStartup/1.0', bare: 'BareStartup/1.0' };

if (options.help) console.log(USAGE);
else console.log(JSON.stringify(await measure()));

async function measure() {
  await setUp();
  await using namespace = await testNamespace('startup');
  await deployManual(namespace.name);
  const page = `${manualUrl(namespace.name)}/index.html`;
  await apply(crawl(page), '--namespace', namespace.name);
  await apply(bare(page), '--namespace', namespace.name);
  const firstSlot = Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS;
  const slots = Array.from({ length: MINUTES }, (_, minute) => firstSlot + minute * MINUTE_MS);
  await delay(firstSlot + (MINUTES - 1) * MINUTE_MS + OFFSET_MS + PATIENCE_MS - Date.now());
  const [crawls, bares] = await Promise.all(
    [AGENTS.crawl, AGENTS.bare].map((agent) => accessesOf(namespace.name, agent)),
  );
  const crawlSeconds = secondsAfter(
    slots.map((slot) => slot + OFFSET_MS),
    crawls ?? [],
  );
  const bareSeconds = secondsAfter(slots, bares ?? []);
  return {
    startup_s: median(crawlSeconds),
    bare_startup_s: median(bareSeconds),
    slower_by_s: round(median(crawlSeconds) - median(bareSeconds)),
    startups: crawlSeconds,
    bare_startups: bareSeconds,
  };
}

/** From each slot to the first fetch within the minute after it; Infinity where there was none. */
function secondsAfter(slots: readonly number[], fetches: readonly { readonly time: number }[]): number[] {
  return slots.map((slot) => {
    const times = fetches.map(({ time }) => time).filter((time) => time >= slot && time < slot + MINUTE_MS);
    return round((Math.min(...times) - slot) / 1_000);
  });
}

function crawl(page: string): object {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name: 'startup' },
    spec: {
      schedule: `${OFFSET_MS / 1_000} * * * * *`,
      concurrencyPolicy: 'Allow',
      runTemplate: {
        spec: {
          sources: [{ name: 'manual', urls: [page] }],
          ...{ limits: { maxPages: 1 }, fetch: { userAgent: AGENTS.crawl } },
        },
      },
    },
  };
}

/** Node is what its pod starts, too. */
function bare(page: string): object {
  const container = {
    name: 'fetch',
    image: cluster.reference(webImage),
    imagePullPolicy: 'IfNotPresent',
    command: [
      'node',
      '--eval',
      `fetch('${page}', { headers: { 'user-agent': '${AGENTS.bare}' } }).then((answer) => answer.text())`,
    ],
    resources: { requests: { cpu: '250m', memory: '128Mi' } },
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
  };
  const pod = {
    ...{ restartPolicy: 'Never', automountServiceAccountToken: false, containers: [container] },
    securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
  };
  return {
    ...{ apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'startup' } },
    spec: { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: pod } } } },
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
