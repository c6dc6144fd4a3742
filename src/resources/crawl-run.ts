// CrawlRun: one execution of a crawl. The schemas here are the single source of its types, CRD and reference.
import { z } from 'zod';
import { boundedDuration } from './bounded-duration.ts';
import { MAX_CONCURRENCY } from './concurrency.ts';
import { conditions } from './conditions.ts';
import { FAILURE_CAUSES } from './failure-causes.ts';
import { keyOfData, nameOf } from './object-key.ts';
import { podTemplate } from './pod-template.ts';
import { DEFAULT_QUEUE, queueName } from './queues.ts';
import { HEADER_NAME_PATTERN, HEADER_VALUE_PATTERN, RESERVED_HEADERS } from './request-headers.ts';
import { DEFAULT_STALL_TIMEOUT } from './stall-timeout.ts';
import { keyedBy, type ValidationRule, withRules } from './validation.ts';

const MAX_URL = 2_048;

export const DEFAULT_TIMEOUT_SECONDS = 720;

const url = z
  .string()
  .min(1)
  .max(MAX_URL)
  .regex(/^https?:\/\/[^\s/?#]+/)
  .describe('An absolute http or https URL.');

export const LOWEST_PRIORITY = -1_000_000;

const pattern = z.string().min(1).max(512);

const selector = z.string().min(1).max(1_024);

/** Kept in cookies where those are allowed; in links they give every visitor URLs of his own. */
const SESSION_PARAMETERS = ['jsessionid', 'phpsessid', 'aspsessionid*', 'cfid', 'cftoken', 'oscsid', 'zenid'];
/** Added by mails and advertisements; the page is the same without. */
const TRACKING_PARAMETERS = [
  'utm_*',
  'gclid',
  'gbraid',
  'wbraid',
  'dclid',
  'fbclid',
  'msclkid',
  'yclid',
  'mc_cid',
  'mc_eid',
];

const scope = z
  .object({
    mode: z
      .enum(['Page', 'Prefix', 'Host', 'Domain', 'Any'])
      .default('Prefix')
      .describe(
        'Which links are followed: Page none, Prefix those under the folder of a start URL, Host those on its host, Domain those on its registrable domain, Any all.',
      ),
    include: z
      .array(pattern)
      .max(50)
      .default([])
      .describe(
        'Patterns over the whole URL; when given, a link must match one. * stands for any characters but /, ** for any, {a,b} for one of several; everything else is itself.',
      ),
    exclude: z
      .array(pattern)
      .max(50)
      .default([])
      .describe('Patterns over the whole URL, as those of include; a link that matches one is left out.'),
    canonical: z
      .enum(['Follow', 'Ignore'])
      .default('Ignore')
      .describe(
        'What becomes of a page that names another one within the scope as its canonical URL: with Follow that one is crawled in its place.',
      ),
    fragments: z
      .enum(['Drop', 'Keep', 'Auto'])
      .default('Auto')
      .describe(
        'Whether the fragment of a link (#…) is part of its URL: with Auto those of single-page applications (#/… and #!…) are where a browser renders; Drop takes all out, Keep none.',
      ),
    dropParameters: z
      .array(z.string().min(1).max(64))
      .max(100)
      .default([...SESSION_PARAMETERS, ...TRACKING_PARAMETERS])
      .describe(
        'Parameters that are taken out of links, since they name a session or an advertisement and not a page; * stands for any characters, upper and lower case are the same. Also sid, session and sessionid where their values look random. Nothing is taken out when the list is empty.',
      ),
  })
  .describe('How far links are followed.');

const followNext = z
  .object({
    maxPages: z
      .int()
      .min(2)
      .max(10_000)
      .default(5)
      .describe('Most pages of one listing, its first one counted; the link to a further one is not followed.'),
    selector: selector
      .optional()
      .describe(
        'A CSS selector of the link to the next page, or of what holds it; the first match counts. When left out: the first <link> or <a> with rel=next, else a Link header with it.',
      ),
  })
  .describe(
    'Follows listings from page to page: a next page has the depth of the page before it, and in mode Page its host. The link to it is not followed as a link otherwise.',
  );

const sourceLimits = z
  .object({
    maxPages: z
      .int()
      .min(1)
      .max(10_000_000)
      .optional()
      .describe('Most pages of this source; a retried page counts once.'),
    maxDepth: z
      .int()
      .min(0)
      .max(1_000)
      .optional()
      .describe('Most links between a start URL of this source and a page; the limit of the run holds, too.'),
    maxItemsPerPage: z
      .int()
      .min(1)
      .max(1_000)
      .optional()
      .describe('Most items that are taken of one page, the first ones; 1,000 when left out.'),
    followNext: followNext.optional(),
    maxVariants: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1_000)
      .describe(
        'URLs of one path that differ in three or more query parameters, or in a date alone, and are crawled whatever they say; beyond, they are taken for a spider trap once their pages say nothing new.',
      ),
  })
  .describe('Limits of this source alone, besides those of the run.');

const configMapKey = (what: string) =>
  z.object({
    name: nameOf('ConfigMap'),
    key: keyOfData.describe(`Key whose value is ${what}.`),
  });

const sourceFields = z.object({
  name: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
    .describe('Name of the site, unique in the run.'),
  active: z.boolean().default(true).describe('Whether the source is crawled. Its counters stay zero when it is not.'),
  urls: z.array(url).max(1_000).default([]).describe('Where the crawl of this source starts.'),
  urlsFrom: z
    .object({
      configMap: configMapKey('a list of URLs, one a line; lines that begin with # are left out').describe(
        'A list that is mounted into the workers.',
      ),
    })
    .optional()
    .describe('More start URLs, 50,000 at most, besides those of urls.'),
  sitemaps: z
    .array(url)
    .max(100)
    .default([])
    .describe('Sitemaps, or indexes of them, whose entries within the scope are crawled as start URLs are.'),
  sitemapsFromRobots: z
    .boolean()
    .default(false)
    .describe(
      "Read the sitemaps, too, that robots.txt of the start URLs' hosts names, if they are of the same domain.",
    ),
  scope: scope.prefault({}),
  limits: sourceLimits.prefault({}),
});

const sourceRules: readonly ValidationRule[] = [
  {
    rule: '(has(self.urls) && size(self.urls) > 0) || (has(self.sitemaps) && size(self.sitemaps) > 0) || has(self.urlsFrom)',
    message: 'a source needs a start URL, a list of them or a sitemap',
    reason: 'FieldValueRequired',
    fieldPath: '.urls',
  },
];

const source = withRules(sourceFields, sourceRules);

const header = withRules(
  z.object({
    name: z.string().min(1).max(128).regex(HEADER_NAME_PATTERN).describe('Name of the header.'),
    value: z.string().max(4_096).regex(HEADER_VALUE_PATTERN).describe('Its value.'),
  }),
  [
    {
      rule: `!(self.name.lowerAscii() in [${RESERVED_HEADERS.map((name) => `'${name}'`).join(', ')}])`,
      message: 'this header is set by the crawler or belongs to the connection',
      reason: 'FieldValueForbidden',
      fieldPath: '.name',
    },
  ],
);

const fetching = z
  .object({
    render: z
      .enum(['Auto', 'Browser', 'HTTP'])
      .default('HTTP')
      .describe(
        'HTTP reads pages as they are served; Browser opens them in headless Chromium and runs their scripts; Auto reads them by HTTP, and opens those in the browser that have more to show there.',
      ),
    userAgent: z
      .string()
      .min(1)
      .max(512)
      .regex(/^[\x20-\x7e]+$/)
      .default('Trawler/0.1 (+https://trawler.dev)')
      .describe('The User-Agent header, and by its first word the group of robots.txt that applies.'),
    headers: keyedBy(z.array(header).max(32).default([]), 'name').describe(
      'Headers of requests to the hosts of the start URLs, and to no other. In the browser, of the document alone.',
    ),
    headersSecretRef: z
      .object({ name: nameOf('Secret') })
      .optional()
      .describe(
        'A Secret whose keys and values are further headers. It is mounted into the pods, nobody else reads it.',
      ),
    caSecretRef: z
      .object({
        name: nameOf('Secret'),
        key: keyOfData.default('ca.crt').describe('The key whose value is one or more certificates in PEM.'),
      })
      .optional()
      .describe(
        "Certificates that are trusted besides those of public authorities: of a private authority, an intermediate one that servers do not send, or a server's own. Mounted into the pods, nobody else reads it.",
      ),
    insecureSkipTlsVerify: z
      .boolean()
      .default(false)
      .describe(
        'Takes any certificate that a server shows. Whoever is between the pods and a site can change its pages.',
      ),
    pageTimeout: boundedDuration('100ms', '1h')
      .default('60s')
      .describe('Longest time for one page, from sending the request to its last byte or rendering.'),
    maxRetries: z
      .int()
      .min(0)
      .max(20)
      .default(3)
      .describe('How often a failed page is tried again, later each time, before it is a dead letter.'),
    blockResources: z
      .array(z.enum(['Images', 'Fonts', 'Media', 'Stylesheets', 'Ads']))
      .max(5)
      .default(['Images', 'Fonts', 'Media'])
      .describe(
        'What pages in the browser do not load, in frames neither; Ads are well-known advertisers and trackers.',
      ),
  })
  .describe('How pages are fetched.');

const politeness = z
  .object({
    robots: z.enum(['Obey', 'Ignore']).default('Obey').describe('Whether robots.txt is obeyed (RFC 9309).'),
    robotsMeta: z
      .enum(['Obey', 'Ignore'])
      .default('Obey')
      .describe(
        'Whether <meta name=robots> and X-Robots-Tag are obeyed: noindex skips the page, nofollow all of its links.',
      ),
    nofollow: z.enum(['Obey', 'Ignore']).default('Obey').describe('Whether links with rel=nofollow are left out.'),
    requestsPerSecond: z
      .number()
      .min(0.001)
      .max(10_000)
      .default(3)
      .describe('Most documents asked of one host a second, over all workers of all runs in the namespace.'),
    delay: boundedDuration('0s', '24h')
      .default('0s')
      .describe('Least time between two documents of one host; the slower of delay and rate holds.'),
  })
  .describe('How hosts are treated.');

const proxy = z
  .object({
    urlSecretRef: z
      .object({
        name: nameOf('Secret'),
        key: keyOfData.default('url').describe('Key in it that holds the URL.'),
      })
      .describe(
        "The proxy's URL: http://user:password@host:port, or https. The operator's configuration must allow host:port.",
      ),
    mode: z
      .enum(['Off', 'Always', 'Auto'])
      .default('Always')
      .describe('Auto asks hosts directly and goes by the proxy where that fails; Off leaves the proxy alone.'),
    failureThreshold: z
      .int()
      .min(1)
      .max(1_000)
      .default(10)
      .describe('With Auto: tries of a host that have to fail in a row before it is asked by the proxy.'),
    cooldown: boundedDuration('1s', '24h')
      .default('10m')
      .describe('With Auto: how long until it is asked directly again.'),
  })
  .describe('An HTTP proxy to crawl by.');

/** BCP 47; which of them are known is checked by the worker. */
const locale = z
  .string()
  .min(2)
  .max(35)
  .regex(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/);

const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const field = withRules(
  z.object({
    name: z.string().min(1).max(63).regex(FIELD_NAME).describe("The field's name in the item."),
    selector: selector
      .optional()
      .describe(
        'A CSS selector, within the item. The first match counts unless multiple is set. When left out, the field is looked up by its name in JSON-LD, microdata, Open Graph and meta tags.',
      ),
    attribute: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .describe("The attribute to take; the element's text when left out."),
    type: z
      .enum(['String', 'Number', 'Price', 'Date', 'Boolean', 'URL'])
      .default('String')
      .describe(
        'String as it stands, Number the first number in it, Price an object with amount and currency (ISO 4217), Date a date in ISO 8601, Boolean whether the element is there, URL made absolute. Null when there is none of that type.',
      ),
    locale: locale.optional().describe('How this field is written, where that is not the locale of the others.'),
    multiple: z.boolean().default(false).describe('Take all matches, as a list.'),
    required: z
      .boolean()
      .default(false)
      .describe(
        'An item without it is left out, and counted in status.itemsLeftOut; a page that has no other has failed with the cause MissingField. Its links are followed all the same.',
      ),
  }),
  [
    {
      rule: 'has(self.selector) || !has(self.attribute)',
      message: 'attribute needs a selector',
      reason: 'FieldValueInvalid',
      fieldPath: '.attribute',
    },
  ],
);

const module = withRules(
  z
    .object({
      configMap: configMapKey('the text of the module')
        .describe('A module that is mounted into the workers.')
        .optional(),
      path: z
        .string()
        .min(1)
        .max(512)
        .regex(/^\/app\//)
        .optional()
        .describe('A module of an image built on the crawler image, below /app.'),
    })
    .describe('A JavaScript module of your own that makes the items of each page: see docs/custom-extractor.md.'),
  [
    {
      rule: 'has(self.configMap) != has(self.path)',
      message: 'give exactly one of configMap and path',
      reason: 'FieldValueInvalid',
    },
  ],
);

/** Rules are for objects with and without their defaults. */
const isTrue = (name: string) => `(has(self.${name}) && self.${name})`;

const extract = withRules(
  z
    .object({
      itemSelector: selector
        .optional()
        .describe('A CSS selector; each match is an item. The whole page is one item when left out.'),
      fields: keyedBy(z.array(field).max(100).default([]).describe('The fields of an item.'), 'name'),
      locale: locale
        .optional()
        .describe(
          'The language and region, such as de-CH, in which numbers, prices and dates are written. The language that each page says it is in when left out.',
        ),
      images: z
        .boolean()
        .default(false)
        .describe('Adds `images` to the item: the absolute URL and the alternative text of each, at most 1,000.'),
      links: z
        .boolean()
        .default(false)
        .describe('Adds `links` to the item: the absolute URL and the text of each, at most 1,000.'),
      text: z
        .boolean()
        .default(false)
        .describe('Adds `text` to the item: the main text of the page as Markdown, at most 100,000 characters.'),
      screenshots: z
        .enum(['PNG', 'JPEG'])
        .optional()
        .describe(
          'Adds `screenshot` to the item: the name of a picture of the whole page, at most 10,000 pixels high, in a folder beside the file of output. Null for pages that Auto did not open in the browser, and for those of which it could take none.',
        ),
      module: module.optional(),
    })
    .describe('What is taken out of a page. When left out: the title, the first heading and the links of each page.'),
  [
    {
      rule: `(has(self.fields) && size(self.fields) > 0) || ${isTrue('images')} || ${isTrue('links')} || ${isTrue('text')} || has(self.screenshots) || has(self.module)`,
      message: 'extract takes nothing: give fields, images, links, text, screenshots or a module',
      reason: 'FieldValueInvalid',
    },
    {
      rule: `!${isTrue('text')} || !has(self.itemSelector)`,
      message: 'text is the main text of a whole page: it cannot be given for each match of itemSelector',
      reason: 'FieldValueInvalid',
      fieldPath: '.text',
    },
    {
      rule: `!has(self.fields) || !self.fields.exists(field, (${isTrue('images')} && field.name == 'images') || (${isTrue('links')} && field.name == 'links') || (${isTrue('text')} && field.name == 'text') || (has(self.screenshots) && field.name == 'screenshot'))`,
      message: 'a field has the name of what images, links, text or screenshots adds to the item',
      reason: 'FieldValueInvalid',
      fieldPath: '.fields',
    },
  ],
);

const limits = z
  .object({
    maxPages: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(1_000)
      .describe('Most pages of the run; a retried page counts once.'),
    maxDepth: z
      .int()
      .min(0)
      .max(1_000)
      .optional()
      .describe('Most links between a start URL and a page; 0 crawls the start URLs alone.'),
  })
  .describe('Limits of the whole run.');

/** No part begins with a dot: neither `..`, which leads out of the volume, nor what tools hide. */
const FILE_NAME = '[A-Za-z0-9_][A-Za-z0-9._-]*';

const output = z
  .object({
    format: z
      .enum(['JSON', 'JSONL', 'CSV'])
      .default('JSONL')
      .describe('JSON is one array, JSONL one object a line, CSV a table with a column for each field.'),
    volumeClaim: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
      .describe(
        'A PersistentVolumeClaim in the same namespace. With several workers it must be one that several nodes can write to (ReadWriteMany).',
      ),
    path: z
      .string()
      .max(512)
      .regex(new RegExp(`^(${FILE_NAME}(/${FILE_NAME})*)?$`))
      .default('')
      .describe('Folder in the volume, made when it is not there; the top one when left out.'),
    filenamePrefix: z
      .string()
      .max(63)
      .regex(new RegExp(`^(${FILE_NAME})?$`))
      .default('')
      .describe("Goes before the run's name, which names the file."),
  })
  .describe('A file with all items, written when the crawl is over, also when it was stopped. The run ends with it.');

/** What is crawled and how: the part of a run's spec that a CrawlSchedule's template carries. */
const itemBound = (text: string) => z.int().min(0).max(1_000_000_000).optional().describe(text);

const expectedField = z.object({
  name: z.string().min(1).max(63).regex(FIELD_NAME).describe('Name of the field in the items.'),
  minPercent: z
    .int()
    .min(1)
    .max(100)
    .default(100)
    .describe(
      'Share of the items that have it. A field that is null, an empty text or an empty list counts as missing.',
    ),
});

const expectation = withRules(
  z
    .object({
      items: withRules(
        z.object({
          min: itemBound('Fewer are unexpected.'),
          max: itemBound('More are unexpected.'),
        }),
        [
          {
            rule: 'has(self.min) || has(self.max)',
            message: 'give min or max, or both',
            reason: 'FieldValueInvalid',
          },
          {
            rule: '!has(self.min) || !has(self.max) || self.min <= self.max',
            message: 'min must not be more than max',
            reason: 'FieldValueInvalid',
            fieldPath: '.min',
          },
        ],
      )
        .optional()
        .describe('How many items.'),
      fields: keyedBy(z.array(expectedField).min(1).max(20), 'name')
        .optional()
        .describe('Which fields the items have, and how many of the items.'),
    })
    .describe('What a run that succeeds, at least in part, should give: else its condition UnexpectedResult is True.'),
  [
    {
      rule: 'has(self.items) || has(self.fields)',
      message: 'give items or fields, or both',
      reason: 'FieldValueInvalid',
    },
  ],
);

export const retryPolicy = z
  .object({
    maxRetries: z.int().min(1).max(10).default(1).describe('Most retries, one after the other.'),
    onlyDead: z
      .boolean()
      .default(true)
      .describe('Tries the dead letters alone, where every page was tried; false crawls all anew.'),
    backoff: boundedDuration('1s', '24h')
      .default('5m')
      .describe('How long after the end the first retry is made; each further one waits twice as long, a day at most.'),
  })
  .describe('Makes a new run for one that has failed, in whole or in part, or has timed out.');

function listOf<Source extends z.ZodType>(source: Source) {
  return keyedBy(z.array(source).min(1).max(100).describe('The sites to crawl.'), 'name');
}

const oneIsActive: ValidationRule = {
  rule: 'self.exists(source, !has(source.active) || source.active)',
  message: 'at least one source must be active',
  reason: 'FieldValueInvalid',
};

export const crawlSpecShape = {
  sources: withRules(listOf(source), [oneIsActive]),
  fetch: fetching.prefault({}),
  politeness: politeness.prefault({}),
  proxy: proxy.optional(),
  extract: extract.optional(),
  limits: limits.prefault({}),
  output: output.optional(),
  workers: z.int().min(1).max(100).default(1).describe('Number of crawler pods that share the run.'),
  concurrency: z
    .int()
    .min(1)
    .max(MAX_CONCURRENCY)
    .default(2)
    .describe('Pages that one worker has open at once; fewer where its CPU and memory do not carry them.'),
  browser: z
    .object({
      recycleAfterPages: z
        .int()
        .min(1)
        .max(100_000)
        .default(50)
        .describe('Pages after which a tab of the browser is closed, cookies and all, and another one opened.'),
      sandbox: z
        .boolean()
        .default(false)
        .describe(
          "Whether Chromium shuts its pages in by its own sandbox as well. Nodes need the seccomp profile of the crawler's image.",
        ),
    })
    .prefault({})
    .describe('How Chromium is run.'),
  heartbeat: z
    .object({
      interval: boundedDuration('1s', '10m')
        .default('30s')
        .describe('How often a worker says that it is alive, page or no page.'),
      stallTimeout: boundedDuration('10s', '24h')
        .default(DEFAULT_STALL_TIMEOUT)
        .describe(
          'A worker that has pages open, or the output to write, and comes no further with any of it for so long hangs: it ends, another one takes its place, and the page that it hangs on counts a try. Never less than twice fetch.pageTimeout; waiting for the turn at a slow host does not count.',
        ),
    })
    .prefault({})
    .describe('Signs of life.'),
  priority: z
    .int()
    .min(LOWEST_PRIORITY)
    .max(1_000_000)
    .default(0)
    .describe(
      'Higher goes first among the runs of a namespace that wait in one queue, and gets more of a host that several runs ask at the same time.',
    ),
  queue: queueName
    .default(DEFAULT_QUEUE)
    .describe(
      'The named queue in which the run waits where places are short. Whoever installs the operator defines queues and how many runs of each are at work at once.',
    ),
  startTimeoutSeconds: z
    .int()
    .min(10)
    .max(86_400)
    .default(600)
    .describe(
      'How long a run may take from its acceptance to its first heartbeat: what keeps it from starting for so long ends it as Failed. Time in which PostgreSQL is away or the Job is suspended does not count.',
    ),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(2_592_000)
    .default(DEFAULT_TIMEOUT_SECONDS)
    .describe('Longest time of the run, from its first heartbeat.'),
  expect: expectation.optional(),
  retryPolicy: retryPolicy.optional(),
  backoffLimit: z
    .int()
    .min(0)
    .max(100)
    .default(6)
    .describe(
      'How often each worker is replaced after a crash. The run fails when no worker is left; waiting for PostgreSQL is no crash.',
    ),
  ttlSecondsAfterFinished: z
    .int()
    .min(0)
    .max(31_536_000)
    .optional()
    .describe('How long the finished run is kept in the API; for ever when left out.'),
  pod: podTemplate.prefault({}),
  image: z.string().min(1).max(512).optional().describe("Crawler image; the operator's own when left out."),
} as const;

/**
 * Rules over fields of `crawlSpecShape`, for every object that carries them. Each look at a field of so wide an object
 * costs the API server some 10 µs: rules ask first for what is seldom there, and a rule over one field belongs to it.
 */
export const crawlSpecRules: readonly ValidationRule[] = [
  {
    rule: "!has(self.extract) || !has(self.extract.screenshots) || (has(self.fetch) && has(self.fetch.render) && self.fetch.render != 'HTTP')",
    message: 'screenshots are taken by the browser: set fetch.render to Browser or Auto',
    reason: 'FieldValueInvalid',
    fieldPath: '.fetch.render',
  },
  {
    rule: '!has(self.extract) || !has(self.extract.screenshots) || has(self.output)',
    message: 'screenshots are files: name a volume for them in output',
    reason: 'FieldValueRequired',
    fieldPath: '.output',
  },
  {
    rule: "!has(self.politeness) || !has(self.politeness.robots) || self.politeness.robots == 'Obey' || !self.sources.exists(source, has(source.sitemapsFromRobots) && source.sitemapsFromRobots)",
    message: 'sitemapsFromRobots needs politeness.robots Obey: robots.txt is not read otherwise',
    reason: 'FieldValueInvalid',
    fieldPath: '.politeness.robots',
  },
  {
    rule: "!has(self.pod) || !has(self.pod.resources) || !has(self.pod.resources.limits) || !('memory' in self.pod.resources.limits) || !has(self.fetch) || !has(self.fetch.render) || self.fetch.render == 'HTTP' || quantity(string(self.pod.resources.limits['memory'])).compareTo(quantity('512Mi')) >= 0",
    message: 'a browser needs at least 512Mi of memory: raise pod.resources.limits.memory, or set fetch.render to HTTP',
    reason: 'FieldValueInvalid',
    fieldPath: '.pod',
  },
];

export const TRIGGER_TYPES = ['Schedule', 'CatchUp', 'Manual', 'Backfill', 'Retry'] as const;

/** Which part of a run its retry crawls. */
export const retryPart = {
  only: z
    .enum(['All', 'Dead', 'FailedSources'])
    .default('All')
    .describe(
      'With Retry: All starts anew, Dead takes the dead letters of that run alone, FailedSources starts those sources anew that have failed or were not crawled to their end.',
    ),
  causes: z
    .array(z.enum(FAILURE_CAUSES))
    .min(1)
    .max(50)
    .optional()
    .describe('With Dead: the dead letters of these causes alone.'),
  sources: z.array(z.string().min(1).max(63)).min(1).max(100).optional().describe('With Retry: these sources alone.'),
} as const;

const trigger = withRules(
  z
    .object({
      type: z.enum(TRIGGER_TYPES).default('Manual').describe('Who asked for the run.'),
      scheduledTime: z.iso.datetime({ offset: true }).optional().describe('The nominal time that the run is for.'),
      retryOf: z.string().min(1).max(253).optional().describe('With Retry: the name of the run that is tried again.'),
      ...retryPart,
      attempt: z
        .int()
        .min(1)
        .max(10)
        .optional()
        .describe('With Retry: which of the retries of spec.retryPolicy it is, from 1.'),
    })
    .describe('Why the run exists.'),
  // With has() for every field: the API server tries the rules on the default, {}, before that is filled in.
  [
    {
      rule: "(has(self.type) && self.type == 'Retry') == has(self.retryOf)",
      message: 'a run of type Retry names the run that it tries again, and no other does',
      reason: 'FieldValueInvalid',
      fieldPath: '.retryOf',
    },
    {
      rule: "!has(self.only) || self.only == 'All' || (has(self.type) && self.type == 'Retry')",
      message: 'Dead and FailedSources are for runs of type Retry',
      reason: 'FieldValueInvalid',
      fieldPath: '.only',
    },
    {
      rule: "!has(self.causes) || (has(self.only) && self.only == 'Dead')",
      message: 'causes are those of dead letters: set only to Dead',
      reason: 'FieldValueInvalid',
      fieldPath: '.causes',
    },
    {
      rule: "!has(self.sources) || (has(self.type) && self.type == 'Retry')",
      message: 'a part of the sources is for runs of type Retry: set active of the others to false',
      reason: 'FieldValueInvalid',
      fieldPath: '.sources',
    },
  ],
);

/** A rule that the field at the path is what it was: both objects lack it, or both have it with one value. */
function immutable(path: string): ValidationRule {
  const [parent = path, child] = path.split('.');
  const isIn = (object: string) =>
    child === undefined ? `has(${object}.${parent})` : `(has(${object}.${parent}) && has(${object}.${path}))`;
  return {
    rule: `${isIn('self')} == ${isIn('oldSelf')} && (!${isIn('self')} || self.${path} == oldSelf.${path})`,
    message: `${path} cannot be changed: create a new CrawlRun instead`,
    reason: 'FieldValueForbidden',
    fieldPath: `.${path}`,
  };
}

/** Of a source of a run only the patterns may change that links are left out by. */
const immutableOfSource = [
  ...Object.keys(sourceFields.shape).filter((name) => name !== 'name' && name !== 'scope'),
  ...Object.keys(scope.shape)
    .filter((name) => name !== 'exclude')
    .map((name) => `scope.${name}`),
];

const sourcesOfRun = withRules(
  listOf(withRules(sourceFields.clone(), [...sourceRules, ...immutableOfSource.map(immutable)])),
  [
    oneIsActive,
    {
      rule: 'self.map(source, source.name) == oldSelf.map(source, source.name)',
      message: 'sources cannot be added, removed or put into another order: create a new CrawlRun instead',
      reason: 'FieldValueForbidden',
    },
  ],
);

const runSpecShape = {
  scheduleName: z.string().min(1).max(52).optional().describe('The CrawlSchedule that the run belongs to.'),
  trigger: trigger.prefault({}),
  ...crawlSpecShape,
  sources: sourcesOfRun,
  suspend: z
    .boolean()
    .optional()
    .describe(
      'true pauses the run: pages in flight are finished, its pods end, and nothing is lost. It goes on where it stood when this is false again; its time-outs stand still meanwhile.',
    ),
  shutdown: z
    .enum(['Stop', 'Terminate'])
    .optional()
    .describe(
      'Stop ends the run early: pages in flight are finished, results are kept. Terminate waits for no page: those in flight are given up, what was stored before is kept. Neither can be taken back; Stop can become Terminate.',
    ),
} as const;

/** Fields of a run's spec that may change while it lives; every other one is fixed at creation. */
export const MUTABLE_RUN_FIELDS: readonly (keyof typeof runSpecShape)[] = [
  'suspend',
  'shutdown',
  'ttlSecondsAfterFinished',
  'workers',
  'concurrency',
  'priority',
  'queue',
  'timeoutSeconds',
  'limits',
  'politeness',
  'sources',
];

/** What stays fixed of those, beside most of `sources`. */
const IMMUTABLE_PARTS = ['politeness.robots', 'politeness.robotsMeta', 'politeness.nofollow'] as const;

const runFields = Object.keys(runSpecShape) as (keyof typeof runSpecShape)[];

export const crawlRunSpec = withRules(z.object(runSpecShape).describe('What is crawled and how.'), [
  ...runFields.filter((name) => !MUTABLE_RUN_FIELDS.includes(name)).map(immutable),
  ...IMMUTABLE_PARTS.map(immutable),
  {
    rule: "!has(oldSelf.shutdown) || (has(self.shutdown) && (self.shutdown == oldSelf.shutdown || self.shutdown == 'Terminate'))",
    message: 'shutdown cannot be taken back: create a new CrawlRun instead',
    reason: 'FieldValueForbidden',
    fieldPath: '.shutdown',
  },
  {
    rule: '!has(self.trigger) || !has(self.trigger.sources) || self.trigger.sources.all(name, self.sources.exists(source, source.name == name))',
    message: 'there is no source of that name in sources',
    reason: 'FieldValueInvalid',
    fieldPath: '.trigger.sources',
  },
  ...crawlSpecRules,
]);

/** Whether a run crawls only a part of what its schedule asks for. */
export function isPartialRetry({ only, sources }: z.input<z.ZodObject<typeof retryPart>> = {}): boolean {
  return (only !== undefined && only !== 'All') || sources !== undefined;
}

/** The spec with every default filled in. */
export type CrawlRunSpec = z.output<typeof crawlRunSpec>;
/** The spec as a user may write it. */
export type CrawlRunSpecInput = z.input<typeof crawlRunSpec>;

export const RUN_PHASES = [
  'Pending',
  'Queued',
  'Running',
  'Paused',
  'Stopping',
  'Succeeded',
  'Partial',
  'Failed',
  'Stopped',
  'TimedOut',
] as const;
export type RunPhase = (typeof RUN_PHASES)[number];

const count = (text: string) => z.int().min(0).default(0).describe(text);
const time = (text: string) => z.iso.datetime().optional().describe(text);

const progress = z.object({
  total: count('Pages known so far, within the limits.'),
  done: count('Pages crawled: succeeded and failed.'),
  succeeded: count('Pages whose results are stored.'),
  failed: count('Pages given up after their retries: the dead letters.'),
  skipped: count('URLs left out, for a reason such as robots.txt.'),
  queued: count('Pages waiting.'),
  inFlight: count('Pages being crawled.'),
  items: count('Items stored.'),
  errors: count('Exceptions in workers, apart from failed pages.'),
  percentage: z.string().max(8).default('0.00%').describe('Share of the known pages that is done.'),
  stage: z.string().max(128).default('Initialising').describe('What the run does now.'),
  currentUrl: z.string().max(MAX_URL).optional().describe('A page being crawled now.'),
  lastSuccessTime: time('When a page last succeeded.'),
});

const sourceStatus = z.object({
  name: z.string().max(63).describe('Name of the source.'),
  state: z
    .enum(['Pending', 'Crawling', 'Succeeded', 'Partial', 'Failed', 'Inactive', 'Stopped'])
    .describe('How the source stands.'),
  succeeded: count('Pages whose results are stored.'),
  failed: count('Pages given up.'),
  skipped: count('URLs left out.'),
  items: count('Items stored.'),
  error: z.string().max(1_024).optional().describe('The last failure of this source.'),
  movedTo: z
    .array(z.string().max(MAX_URL))
    .max(10)
    .optional()
    .describe('Where start URLs have moved to within their domain, the first 10 places; the scope moved with them.'),
});

const workerStatus = z.object({
  pod: z.string().max(253).describe('Name of the pod.'),
  node: z.string().max(253).optional().describe('Node that it runs on.'),
  state: z.string().max(64).describe('What the worker last said of itself.'),
  lastHeartbeatTime: time('When it last said so.'),
  inFlight: count('Pages that it has open.'),
  concurrency: count('Pages that it may have open at once now, as far as its CPU and memory carry them.'),
});

const blockedHost = z.object({
  host: z.string().max(300).describe('Name of the host, with its port where that is not the usual one.'),
  refusals: count('Tries that it refused.'),
  evidence: z.string().max(1_024).describe('What showed that it refuses the crawl.'),
  viaProxy: z.boolean().default(false).describe('Whether it is asked by the proxy now, with mode Auto.'),
  slowdown: z
    .int()
    .min(1)
    .default(1)
    .describe('How many times more slowly it is asked now; 1 when it gives pages again.'),
});

const spiderTrap = z.object({
  pattern: z.string().max(512).describe('What the URLs of these links have in common.'),
  kind: z.enum(['RepeatingPath', 'Calendar', 'Combinations']).describe('What shows that there is no end to them.'),
  url: z.string().max(MAX_URL).describe('One that was not followed.'),
});

export const crawlRunStatus = z.object({
  observedGeneration: z
    .int()
    .min(0)
    .optional()
    .describe('The generation of the spec that this status was derived from.'),
  phase: z.enum(RUN_PHASES).optional().describe('A summary for people; programs read the conditions.'),
  reason: z
    .string()
    .max(1_024)
    .optional()
    .describe('Why, in one word: of the end once there is one, else of what goes on or keeps the run from it.'),
  message: z.string().max(4_096).optional().describe('Where the run stands, in a sentence.'),
  conditions: conditions.optional(),
  queue: z
    .object({
      name: z.string().max(63).describe('Name of the queue.'),
      position: z
        .int()
        .min(1)
        .optional()
        .describe('Place in line, 1 for the next one; absent while the run does not wait there.'),
    })
    .optional()
    .describe('The queue that the run is of.'),
  scheduledTime: time('The nominal time that the run is for.'),
  startTime: time('When the first worker gave its first heartbeat.'),
  completionTime: time('When the run finished.'),
  startDeadline: time('Until when a worker has to give the first heartbeat; absent while that time does not run.'),
  stopDeadline: time(
    'When spec.timeoutSeconds are over, without the time that the run stood still; absent before the first heartbeat, while it stands still, and once it stops.',
  ),
  duration: z.string().max(32).optional().describe('From the first heartbeat to the end, once the run has finished.'),
  lastHeartbeatTime: time('When a worker last gave a heartbeat.'),
  progress: progress.optional().describe('Counters of the whole run.'),
  sources: keyedBy(z.array(sourceStatus).max(100), 'name').optional().describe('Counters and result of each source.'),
  workers: keyedBy(z.array(workerStatus).max(100), 'pod').optional().describe('The workers, newest heartbeat first.'),
  blockedHosts: keyedBy(z.array(blockedHost).max(20), 'host')
    .optional()
    .describe('Hosts that refused pages, by a challenge, a captcha or an empty page.'),
  spiderTraps: keyedBy(z.array(spiderTrap).max(20), 'pattern')
    .optional()
    .describe('Kinds of links that a site makes up without end, the first 20; they are left out.'),
  changes: z
    .object({
      added: count('Pages that were not there.'),
      changed: count('Pages with other items.'),
      removed: count('Pages that are gone.'),
      unchanged: count('Pages with the same items.'),
    })
    .optional()
    .describe("What was found, compared with the schedule's run before; absent for its first."),
  retry: z
    .object({
      name: z.string().max(253).describe('Name of the run that tries it again.'),
      number: z.int().min(1).describe('Which retry that is, from 1.'),
    })
    .optional()
    .describe('The retry that spec.retryPolicy has made.'),
  output: z
    .object({
      path: z.string().max(1_024).describe('Path of the file in the volume.'),
      bytes: count('Size of the file.'),
      items: count('Items in it.'),
      sha256: z.string().max(64).describe('SHA-256 of the file, in hexadecimal digits.'),
    })
    .optional()
    .describe('The file that spec.output asks for, once it is there.'),
  skipped: z
    .record(z.string(), z.int())
    .optional()
    .describe('URLs left out, counted by reason; also links that were never tried, such as those beyond maxDepth.'),
  itemsLeftOut: z
    .record(z.string(), z.int())
    .optional()
    .describe(
      'Items that were not stored, counted by reason: MissingField lack a required field, TooManyItems are beyond the most of one page.',
    ),
  partialPages: z
    .record(z.string(), z.int())
    .optional()
    .describe(
      "Pages that were stored, but lack something, counted by what: NoScreenshot have no picture, NotFullyLoaded were read without what did not answer in time, Truncated had more than is read or stored. The worker's log and the facts of each request say why.",
    ),
  jobName: z.string().max(63).optional().describe('The Job of the run; `kubectl logs job/NAME` shows its output.'),
  imageID: z.string().max(512).optional().describe('Digest of the image that the workers really run.'),
  previousImageID: z
    .string()
    .max(512)
    .optional()
    .describe('Digest that the schedule ran before, where it was another one: the image has changed since.'),
});
export type CrawlRunStatus = z.input<typeof crawlRunStatus>;
