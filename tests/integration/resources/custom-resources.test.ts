// The generated CRDs in a real API server: what it accepts, fills in, refuses by name, and shows.
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crawlRunSpec, MUTABLE_RUN_FIELDS } from '#src/resources/crawl-run.ts';
import { crawlScheduleSpec } from '#src/resources/crawl-schedule.ts';
import { binary } from '../../../dev/setup/kubernetes-binaries.mjs';
import { type ControlPlane, startControlPlane } from '../../support/control-plane.ts';
import { installCrds } from '../../support/crds.ts';

let cluster: ControlPlane;

beforeAll(async () => {
  cluster = await startControlPlane();
  await installCrds(cluster);
});
afterAll(() => cluster?.stop());

async function kubectl(args: string[], input?: object): Promise<string> {
  const result = await execa(binary('kubectl'), [`--kubeconfig=${cluster.kubeconfigPath}`, ...args], {
    ...(input ? { input: JSON.stringify(input) } : {}),
  });
  return result.stdout;
}

/** What the API server says against the object; fails when it has nothing against it. */
async function refusal(args: string[], input: object): Promise<string> {
  try {
    await kubectl(args, input);
  } catch (error) {
    return (error as { stderr: string }).stderr;
  }
  throw new Error('the API server accepted it');
}

const sources = [{ name: 'shop', urls: ['http://shop.example/'] }];

function run(name: string, spec: object = {}): object {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlRun',
    metadata: { name, namespace: 'default' },
    spec: { sources, ...spec },
  };
}

function schedule(name: string, spec: object = {}): object {
  return {
    apiVersion: 'trawler.dev/v1alpha1',
    kind: 'CrawlSchedule',
    metadata: { name, namespace: 'default' },
    spec: { schedule: '*/5 * * * *', runTemplate: { spec: { sources } }, ...spec },
  };
}

const create = ['create', '-f', '-', '-o', 'json'];
const dryRun = ['create', '-f', '-', '--dry-run=server'];

describe('what is accepted', () => {
  test('the smallest run is stored as it was given, but for its trigger', async () => {
    const created = JSON.parse(await kubectl(create, run('smallest')));
    expect(created.spec).toEqual({ sources, trigger: { type: 'Manual', only: 'All' } });
  });

  test('the smallest schedule gets its defaults from the API server as from the schemas, but for the crawl', async () => {
    const created = JSON.parse(await kubectl(create, schedule('smallest')));
    const whole = crawlScheduleSpec.parse({ schedule: '*/5 * * * *', runTemplate: { spec: { sources } } });
    expect(created.spec).toEqual({ ...whole, runTemplate: { ...whole.runTemplate, spec: { sources } } });
  });

  test('every field at once', async () => {
    const everything = {
      scheduleName: 'shop',
      trigger: { type: 'Retry', scheduledTime: '2026-01-01T00:00:00Z', retryOf: 'shop-1', only: 'Dead' },
      sources: [
        {
          name: 'shop.example',
          active: true,
          urls: ['https://shop.example/a?b=c#d'],
          urlsFrom: { configMap: { name: 'urls', key: 'shop.txt' } },
          sitemaps: ['https://shop.example/sitemap.xml.gz'],
          sitemapsFromRobots: true,
          scope: {
            mode: 'Domain',
            include: ['**/products/**'],
            exclude: ['**/*.pdf'],
            canonical: 'Follow',
            dropParameters: ['utm_*'],
          },
          limits: {
            ...{ maxPages: 10, maxDepth: 3, maxItemsPerPage: 50, maxVariants: 20 },
            followNext: { maxPages: 7, selector: 'a.next' },
          },
        },
      ],
      fetch: {
        render: 'Browser',
        userAgent: 'ShopBot/1.0',
        headers: [{ name: 'X-Shop', value: 'a b' }],
        headersSecretRef: { name: 'shop-login' },
        pageTimeout: '1m30s',
        maxRetries: 0,
        blockResources: ['Images'],
      },
      browser: { recycleAfterPages: 7, sandbox: true },
      proxy: { urlSecretRef: { name: 'proxy', key: 'address' }, mode: 'Auto', failureThreshold: 3, cooldown: '5m' },
      politeness: { robots: 'Obey', robotsMeta: 'Ignore', nofollow: 'Ignore', requestsPerSecond: 0.5, delay: '3s' },
      extract: {
        itemSelector: '.product',
        fields: [
          { name: 'price', selector: '.price', attribute: 'content', type: 'Number', multiple: false, required: true },
          { name: 'brand', type: 'String', multiple: false, required: false },
        ],
        images: true,
        links: true,
        text: false,
        screenshots: 'JPEG',
        module: { configMap: { name: 'extractors', key: 'shop.mjs' } },
      },
      limits: { maxPages: 100, maxDepth: 0 },
      output: { format: 'CSV', volumeClaim: 'results', path: 'shop/2026', filenamePrefix: 'all-' },
      workers: 2,
      concurrency: 4,
      heartbeat: { interval: '5s' },
      priority: -1,
      startTimeoutSeconds: 60,
      timeoutSeconds: 60,
      backoffLimit: 0,
      ttlSecondsAfterFinished: 0,
      pod: {
        resources: { requests: { cpu: 1, memory: '1Gi' }, limits: { memory: '2Gi' } },
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        tolerations: [{ key: 'crawl', operator: 'Exists', effect: 'NoSchedule' }],
        imagePullSecrets: [{ name: 'registry' }],
        labels: { team: 'shop' },
        annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' },
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'kind', operator: 'In', values: ['crawl'] }] }],
            },
          },
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, podAffinityTerm: { labelSelector: { matchLabels: { a: 'b' } }, topologyKey: 'zone' } },
            ],
          },
        },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
        ...{ priorityClassName: 'low', runtimeClassName: 'gvisor', serviceAccountName: 'crawl' },
        env: [
          { name: 'TZ', value: 'UTC' },
          { name: 'KEY', valueFrom: { secretKeyRef: { name: 'shop', key: 'key' } } },
        ],
        hostAliases: [{ ip: '192.0.2.1', hostnames: ['shop.example'] }],
        dnsConfig: { nameservers: ['192.0.2.53'], options: [{ name: 'ndots', value: '1' }] },
        securityContext: { runAsUser: 1_000, supplementalGroups: [2_000] },
      },
      image: 'registry.example/crawler:1',
      shutdown: 'Stop',
    };
    const created = JSON.parse(await kubectl(create, run('everything', everything)));
    expect(created.spec).toEqual(everything);
  });

  test('`kubectl explain` tells what a field means', async () => {
    expect(await kubectl(['explain', 'crawlschedule.spec.concurrencyPolicy'])).toContain('Forbid skips the new one');
    expect(await kubectl(['explain', 'crun.spec.politeness.requestsPerSecond'])).toContain(
      'Most documents asked of one host',
    );
  });

  test('short names, the category and selectable fields work', async () => {
    await kubectl(create, run('selected', { scheduleName: 'mine' }));
    expect(await kubectl(['get', 'csched,crun', '-o', 'name'])).toContain('crawlrun.trawler.dev/selected');
    expect(await kubectl(['get', 'trawler', '-o', 'name'])).toContain('crawlschedule.trawler.dev/smallest');
    const selected = await kubectl(['get', 'crun', '-o', 'name', '--field-selector', 'spec.scheduleName=mine']);
    expect(selected).toBe('crawlrun.trawler.dev/selected');
  });
});

describe('what is refused, by name', () => {
  test.each<[string, object, string]>([
    ['no source', run('bad', { sources: [] }), 'spec.sources: Invalid value'],
    [
      'no active source',
      run('bad', { sources: [{ ...sources[0], active: false }] }),
      'spec.sources: Invalid value: at least one source must be active',
    ],
    [
      'two sources of one name',
      run('bad', { sources: [...sources, ...sources] }),
      'spec.sources[1]: Duplicate value: {"name":"shop"}',
    ],
    [
      'a URL of another scheme',
      run('bad', { sources: [{ name: 'a', urls: ['ftp://a/'] }] }),
      'spec.sources[0].urls[0]',
    ],
    [
      'a listing of one page',
      run('bad', { sources: [{ ...sources[0], limits: { followNext: { maxPages: 1 } } }] }),
      'spec.sources[0].limits.followNext.maxPages: Invalid value: 1: ',
    ],
    ['a field of a wrong type', run('bad', { workers: 'two' }), 'spec.workers'],
    ['a number out of bounds', run('bad', { concurrency: 0 }), 'spec.concurrency'],
    [
      'a word that is not in the list',
      run('bad', { fetch: { render: 'Lynx' } }),
      'spec.fetch.render: Unsupported value: "Lynx": supported values: "Auto", "Browser", "HTTP"',
    ],
    ...[
      [
        'an interval of nothing',
        { interval: '0s' },
        'spec.interval: Invalid value: "0s": must be between 1s and 87600h',
      ],
      ['an interval of a millisecond', { interval: '1ms' }, 'spec.interval: Invalid value: "1ms": must be between 1s'],
      [
        'an interval of eleven years',
        { interval: '96426h' },
        'spec.interval: Invalid value: "96426h": must be between 1s',
      ],
      ['an interval beyond all clocks', { interval: '999999h999999h999999h' }, 'spec.interval: Invalid value'],
      [
        'an adaptive interval of nothing',
        { interval: '1s', adaptive: { min: '0s' } },
        'spec.adaptive.min: Invalid value: "0s": must be between 1s and 87600h',
      ],
    ].map(([what, spec, message]): [string, object, string] => [
      String(what),
      schedule('bad', { schedule: undefined, ...(spec as object) }),
      String(message),
    ]),
    ...[
      ['fetch', { pageTimeout: '0s' }, 'pageTimeout: Invalid value: "0s": must be between 100ms and 1h'],
      ['politeness', { delay: '25h' }, 'delay: Invalid value: "25h": must be between 0s and 24h'],
      ['heartbeat', { interval: '0s' }, 'interval: Invalid value: "0s": must be between 1s and 10m'],
      ['heartbeat', { interval: '597h' }, 'interval: Invalid value: "597h": must be between 1s and 10m'],
      [
        'proxy',
        { urlSecretRef: { name: 'a' }, cooldown: '0s' },
        'cooldown: Invalid value: "0s": must be between 1s and 24h',
      ],
    ].map(([part, value, message]): [string, object, string] => [
      `${part} ${JSON.stringify(value)}`,
      run('bad', { [String(part)]: value }),
      `spec.${part}.${message}`,
    ]),
    ...[
      ['a label with a space in its value', { labels: { team: 'the data team' } }, 'labels.team: Invalid value'],
      ['a label with a space in its key', { labels: { 'data team': 'a' } }, 'labels: Invalid value: a key is a name'],
      [
        'an annotation with two slashes',
        { annotations: { 'a/b/c': 'd' } },
        'annotations: Invalid value: a key is a name',
      ],
      ['an annotation without a name', { annotations: { '': 'd' } }, 'annotations: Invalid value: a key is a name'],
    ].map(([what, metadata, message]): [string, object, string] => [
      String(what),
      schedule('bad', { runTemplate: { metadata, spec: { sources } } }),
      `spec.runTemplate.metadata.${message}`,
    ]),
    ['a duration without a unit', run('bad', { fetch: { pageTimeout: '60' } }), 'spec.fetch.pageTimeout'],
    ['an unknown field', run('bad', { worker: 2 }), 'unknown field "spec.worker"'],
    [
      'two fields of one name',
      run('bad', {
        extract: {
          fields: [
            { name: 'a', selector: 'a' },
            { name: 'a', selector: 'b' },
          ],
        },
      }),
      'spec.extract.fields[1]: Duplicate value',
    ],
    [
      'an attribute of no element',
      run('bad', { extract: { fields: [{ name: 'a', attribute: 'href' }] } }),
      'spec.extract.fields[0].attribute: Invalid value: attribute needs a selector',
    ],
    ['an output without a volume', run('bad', { output: {} }), 'spec.output.volumeClaim: Required value'],
    ...['..', '../up', '/etc', 'a/../b', 'a//b', '.hidden', 'a/'].map((path): [string, object, string] => [
      `the output path ${path}`,
      run('bad', { output: { volumeClaim: 'a', path } }),
      'spec.output.path',
    ]),
    [
      'an output prefix with a folder',
      run('bad', { output: { volumeClaim: 'a', filenamePrefix: '../a' } }),
      'spec.output.filenamePrefix',
    ],
    [
      'a source that begins nowhere',
      run('bad', { sources: [{ name: 'a' }] }),
      'spec.sources[0].urls: Required value: a source needs a start URL, a list of them or a sitemap',
    ],
    [
      'a list of URLs from nowhere',
      run('bad', { sources: [{ name: 'a', urlsFrom: {} }] }),
      'spec.sources[0].urlsFrom.configMap: Required value',
    ],
    [
      'a list of URLs from another folder',
      run('bad', { sources: [{ name: 'a', urlsFrom: { configMap: { name: 'b', key: '../c' } } }] }),
      'spec.sources[0].urlsFrom.configMap.key: Invalid value',
    ],
    [
      'sitemaps of a robots.txt that is not read',
      run('bad', { sources: [{ ...sources[0], sitemapsFromRobots: true }], politeness: { robots: 'Ignore' } }),
      'spec.politeness.robots: Invalid value: sitemapsFromRobots needs',
    ],
    ['an extraction of nothing', run('bad', { extract: {} }), 'spec.extract: Invalid value: extract takes nothing'],
    [
      'the main text of each item',
      run('bad', { extract: { itemSelector: 'a', text: true } }),
      'spec.extract.text: Invalid value: text is the main text of a whole page',
    ],
    [
      'a field with the name of an option',
      run('bad', { extract: { fields: [{ name: 'links' }], links: true } }),
      'spec.extract.fields: Invalid value: a field has the name of what images, links, text or screenshots adds',
    ],
    [
      'screenshots of pages that no browser shows',
      run('bad', { extract: { screenshots: 'PNG' }, output: { volumeClaim: 'a' } }),
      'spec.fetch.render: Invalid value: screenshots are taken by the browser',
    ],
    [
      'screenshots with nowhere to go',
      run('bad', { extract: { screenshots: 'PNG' }, fetch: { render: 'Auto' } }),
      'spec.output: Required value: screenshots are files: name a volume for them in output',
    ],
    [
      'screenshots of a schedule with nowhere to go',
      schedule('bad', {
        runTemplate: { spec: { sources, extract: { screenshots: 'PNG' }, fetch: { render: 'Browser' } } },
      }),
      'spec.runTemplate.spec.output: Required value: screenshots are files',
    ],
    [
      'screenshots in a format that browsers do not draw',
      run('bad', { extract: { screenshots: 'GIF' } }),
      'spec.extract.screenshots: Unsupported value: "GIF"',
    ],
    [
      'a field with the name of the screenshot',
      run('bad', { extract: { fields: [{ name: 'screenshot' }], screenshots: 'PNG' } }),
      'spec.extract.fields: Invalid value: a field has the name of what images, links, text or screenshots adds',
    ],
    [
      'a module from nowhere',
      run('bad', { extract: { module: {} } }),
      'spec.extract.module: Invalid value: give exactly one of configMap and path',
    ],
    [
      'a module from two places',
      run('bad', { extract: { module: { path: '/app/a.mjs', configMap: { name: 'a', key: 'b' } } } }),
      'spec.extract.module: Invalid value: give exactly one of configMap and path',
    ],
    [
      'a module outside of the program',
      run('bad', { extract: { module: { path: '/run/trawler/token' } } }),
      'spec.extract.module.path: Invalid value',
    ],
    ...['Host', 'connection', 'TRANSFER-ENCODING', 'User-Agent', 'If-None-Match'].map(
      (name): [string, object, string] => [
        `the header ${name}`,
        run('bad', { fetch: { headers: [{ name, value: 'a' }] } }),
        'spec.fetch.headers[0].name: Forbidden: this header is set by the crawler or belongs to the connection',
      ],
    ),
    [
      'a header of two lines',
      run('bad', { fetch: { headers: [{ name: 'a', value: 'b\nc: d' }] } }),
      'spec.fetch.headers[0].value',
    ],
    [
      'a header with a space in its name',
      run('bad', { fetch: { headers: [{ name: 'a b', value: 'c' }] } }),
      'spec.fetch.headers[0].name',
    ],
    ['a time that is none', run('bad', { trigger: { scheduledTime: 'noon' } }), 'spec.trigger.scheduledTime'],
    ['a schedule without a template', schedule('bad', { runTemplate: undefined }), 'spec.runTemplate: Required value'],
    [
      'a schedule without an active source',
      schedule('bad', { runTemplate: { spec: { sources: [{ ...sources[0], active: false }] } } }),
      'spec.runTemplate.spec.sources: Invalid value: at least one source must be active',
    ],
    ['a schedule name with a dot', schedule('a.b'), 'is invalid: metadata.name: Invalid value: metadata.name must be'],
    ['a schedule name of 53 characters', schedule('a'.repeat(53)), 'metadata.name must be at most 52 characters'],
    [
      'a schedule without a time',
      schedule('bad', { schedule: undefined }),
      'give exactly one of schedule, interval and after',
    ],
    ['a schedule with two', schedule('bad', { interval: '1h' }), 'give exactly one of schedule, interval and after'],
    [
      'catching up with all under Forbid',
      schedule('bad', { catchUp: { policy: 'All' } }),
      'spec.catchUp.policy: Invalid value: All starts several runs at once',
    ],
    [
      'a retry of nothing',
      run('bad', { trigger: { type: 'Retry' } }),
      'spec.trigger.retryOf: Invalid value: a run of type Retry names',
    ],
    [
      'a manual run that retries',
      run('bad', { trigger: { retryOf: 'a' } }),
      'spec.trigger.retryOf: Invalid value: a run of type Retry names',
    ],
    [
      'dead letters of no run',
      run('bad', { trigger: { only: 'Dead' } }),
      'spec.trigger.only: Invalid value: Dead and FailedSources are for runs of type Retry',
    ],
    [
      'causes of a retry of all',
      run('bad', { trigger: { type: 'Retry', retryOf: 'a', causes: ['Timeout'] } }),
      'spec.trigger.causes: Invalid value: causes are those of dead letters',
    ],
    [
      'a cause that is none',
      run('bad', { trigger: { type: 'Retry', retryOf: 'a', only: 'Dead', causes: ['Timout'] } }),
      'spec.trigger.causes[0]: Unsupported value: "Timout"',
    ],
    [
      'a part of the sources of a manual run',
      run('bad', { trigger: { sources: ['shop'] } }),
      'spec.trigger.sources: Invalid value: a part of the sources is for runs of type Retry',
    ],
    [
      'a retry of a source that is none',
      run('bad', { trigger: { type: 'Retry', retryOf: 'a', sources: ['shop', 'shp'] } }),
      'spec.trigger.sources: Invalid value: there is no source of that name',
    ],
    [
      'a cron schedule that adapts',
      schedule('bad', { adaptive: {} }),
      'spec.adaptive: Invalid value: only an interval can adapt',
    ],
    [
      'an interval outside of its bounds',
      schedule('bad', { schedule: undefined, interval: '3h', adaptive: {} }),
      'spec.interval: Invalid value: interval must lie between adaptive.min and adaptive.max',
    ],
    [
      'an expectation of nothing',
      schedule('bad', { runTemplate: { spec: { sources, expect: { items: {} } } } }),
      'spec.runTemplate.spec.expect.items: Invalid value: give min or max, or both',
    ],
    [
      'an expectation that nothing meets',
      schedule('bad', { runTemplate: { spec: { sources, expect: { items: { min: 2, max: 1 } } } } }),
      'spec.runTemplate.spec.expect.items.min: Invalid value: min must not be more than max',
    ],
    [
      'an unknown policy',
      schedule('bad', { concurrencyPolicy: 'Sometimes' }),
      'spec.concurrencyPolicy: Unsupported value: "Sometimes"',
    ],
  ])('%s', async (_what, object, message) => {
    expect(await refusal(dryRun, object)).toContain(message);
  });
});

describe('the spec of a run', () => {
  const changes: Record<string, unknown> = {
    scheduleName: 'other',
    trigger: { type: 'Backfill', scheduledTime: '2026-01-01T00:00:00Z' },
    fetch: { userAgent: 'Other' },
    extract: { fields: [{ name: 'a', selector: 'a' }] },
    output: { volumeClaim: 'other' },
    browser: { recycleAfterPages: 9 },
    proxy: { urlSecretRef: { name: 'other' } },
    heartbeat: { interval: '9s' },
    startTimeoutSeconds: 99,
    backoffLimit: 9,
    pod: { nodeSelector: { a: 'b' } },
    image: 'other',
    expect: { items: { min: 9 } },
    retryPolicy: { maxRetries: 9 },
  };
  const patch = (name: string, spec: object) => [
    'patch',
    'crawlrun',
    name,
    '--type=merge',
    '-p',
    JSON.stringify({ spec }),
  ];

  test('each field but the mutable ones cannot be changed, and the API server says which', async () => {
    const names = Object.keys(crawlRunSpec.shape);
    expect(Object.keys(changes).sort()).toEqual(
      names.filter((name) => !MUTABLE_RUN_FIELDS.some((field) => field === name)).sort(),
    );
    await kubectl(create, run('fixed'));
    for (const [name, value] of Object.entries(changes)) {
      const message = await refusal(patch('fixed', { [name]: value }), {});
      expect(message).toContain(`spec.${name}: Forbidden: ${name} cannot be changed: create a new CrawlRun instead`);
    }
  });

  test('limits, pace, workers, priority and time-out can be changed, but not every part of them', async () => {
    await kubectl(create, run('live'));
    const edit = { workers: 2, concurrency: 9, priority: 1, timeoutSeconds: 99, limits: { maxPages: 9, maxDepth: 9 } };
    await kubectl(patch('live', { ...edit, politeness: { requestsPerSecond: 9, delay: '1s' } }));
    for (const [part, change] of [
      ['politeness.robots', { politeness: { robots: 'Ignore' } }],
      ['politeness.robotsMeta', { politeness: { robotsMeta: 'Ignore' } }],
      ['politeness.nofollow', { politeness: { nofollow: 'Ignore' } }],
    ] as const) {
      const message = await refusal(patch('live', change), {});
      expect(message).toContain(`spec.${part}: Forbidden: ${part} cannot be changed: create a new CrawlRun instead`);
    }
  });

  test('of sources only the patterns can be changed that leave links out, and the API server says which other is fixed', async () => {
    const [first = { name: '' }] = sources;
    const second = { name: 'second', urls: ['http://second.example/'], scope: { mode: 'Host', exclude: ['**/a'] } };
    await kubectl(create, run('scopes', { sources: [first, second] }));
    const edited = (change: object) => patch('scopes', { sources: [first, { ...second, ...change }] });
    await kubectl(edited({ scope: { mode: 'Host', exclude: ['**/a', '**/b'] } }));
    await kubectl(edited({ scope: { mode: 'Host' } }));
    await kubectl(
      patch('scopes', {
        sources: [
          { ...first, scope: { exclude: ['**/c'] } },
          { ...second, scope: { mode: 'Host' } },
        ],
      }),
    );
    for (const [part, change] of [
      ['urls', { urls: ['http://other.example/'], scope: { mode: 'Host' } }],
      ['active', { active: false, scope: { mode: 'Host' } }],
      ['limits', { limits: { maxPages: 3 }, scope: { mode: 'Host' } }],
      ['scope.mode', { scope: { mode: 'Any' } }],
      ['scope.mode', { scope: {} }],
      ['scope.include', { scope: { mode: 'Host', include: ['**'] } }],
      ['scope.dropParameters', { scope: { mode: 'Host', dropParameters: [] } }],
    ] as const) {
      const edit = patch('scopes', {
        sources: [
          { ...first, scope: { exclude: ['**/c'] } },
          { ...second, ...change },
        ],
      });
      expect(await refusal(edit, {})).toContain(`${part} cannot be changed: create a new CrawlRun instead`);
    }
    for (const others of [[first], [second, first], [first, second, { ...second, name: 'third' }]])
      expect(await refusal(patch('scopes', { sources: others }), {})).toContain('sources cannot be added, removed');
  });

  test('a run of 10,000 long URLs is within the cost that the API server grants to rules', async () => {
    const many = Array.from({ length: 100 }, (_, source) => ({
      name: `s${source}`,
      urls: Array.from({ length: 100 }, (_, page) => `http://s${source}.example/${'x'.repeat(80)}/${page}`),
    }));
    await kubectl(create, run('large', { sources: many }));
    const [source, ...others] = many;
    const edited = [{ ...source, scope: { exclude: ['**/x'] } }, ...others];
    await kubectl(['replace', '-f', '-'], run('large', { sources: edited }));
    await kubectl(patch('large', { shutdown: 'Stop' }));
  });

  test('a stop can be asked for and not be taken back; the time to live can be changed', async () => {
    await kubectl(create, run('stopping'));
    await kubectl(patch('stopping', { shutdown: 'Stop', ttlSecondsAfterFinished: 60 }));
    await kubectl(patch('stopping', { ttlSecondsAfterFinished: null }));
    expect(await refusal(patch('stopping', { shutdown: null }), {})).toContain('shutdown cannot be taken back');
    await kubectl(patch('stopping', { shutdown: 'Terminate' }));
    expect(await refusal(patch('stopping', { shutdown: 'Stop' }), {})).toContain('shutdown cannot be taken back');
  });
});
