// The calls that workers make, version 1: each is POST /v1/<name> with JSON both ways. Within a version a call keeps its
// name and the meaning of its fields; requests and answers may gain fields, which the other side does not know yet.
import { z } from 'zod';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';

/** The longest URL of a request, and some room for what is longer and will be left out. */
const MAX_URL = 8_192;
/** What is written for people; the database cuts it further. */
const MAX_MESSAGE = 10_000;
/** Most outcomes of one commit, and most links of one call. */
export const MAX_OUTCOMES = 500;
const MAX_LINKS = 200_000;
/** Leases that one worker may hold at once: its slots and those in line. */
const MAX_LEASES = 20_000;
/** Compressed log lines of one call, in bytes; it has room for them in base64. */
export const MAX_LOG_BYTES = 42_000;
/** How long a claim may wait for work. */
export const MAX_WAIT_MS = 20_000;

const uuid = z.guid();
const host = z.string().min(1).max(512);
const url = z.string().max(MAX_URL);
const message = z.string().max(MAX_MESSAGE);
const milliseconds = z.number().min(0).max(1e12);
/** Milliseconds since 1970. */
const instant = z.number().min(0).max(1e14);
const count = z.int().min(0).max(1e9);
/** Identity of the database server that the caller builds on; null when it has not heard of any. */
const server = z.string().max(200).nullable();
const fence = z.guid();
const itemId = z.string().regex(/^\d{1,19}$/);
const done = z.unknown().transform(() => undefined);

/** As the database reads it; `from` holds the requests that the link was found at. */
const link = z.object({
  key: uuid,
  url,
  host,
  source: z.string().max(253),
  depth: count,
  redirects: z.array(url).max(20).optional(),
  sitemap: z.literal(true).optional(),
  listingPage: count.optional(),
  excludedBy: count.optional(),
  from: z.array(uuid).max(MAX_OUTCOMES).optional(),
});
const links = z.array(link).max(MAX_LINKS);

/** By what it was: the names are fixed, but a later version may have others. */
const counts = z
  .record(z.string().max(100), z.number().min(0).max(1e12))
  .refine((kinds) => Object.keys(kinds).length <= 100, 'more than 100 kinds');

/** How a claimed request ended: see `Outcome`. What a page gave passes through the gateway as it is. */
const outcome = z.object({
  key: uuid,
  token: uuid,
  type: z.enum(['done', 'skipped', 'retry', 'dead', 'released']),
  reason: z.string().max(100).optional(),
  cause: z.string().max(100).optional(),
  message: message.optional(),
  delayMs: milliseconds.optional(),
  facts: z.record(z.string(), z.unknown()).optional(),
  items: z.array(z.unknown()).max(1_000).optional(),
  leftOut: counts.optional(),
  itemsLeftOut: counts.optional(),
  page: z.record(z.string(), z.unknown()).optional(),
  judgedBy: count.optional(),
});

/** When a host may be asked, from when until when, in milliseconds of the database's clock. */
const turn = { turn: z.number(), sendBy: z.number().optional(), spacingMs: z.number().optional() };
/** When the database placed the turns, and when it answered, by its clock. */
const times = { moment: z.number(), now: z.number() };

const claim = z.object({
  requestId: uuid,
  leaseToken: uuid,
  source: z.string(),
  url: z.string(),
  host: z.string(),
  depth: z.number(),
  redirects: z.array(z.string()).optional(),
  kind: z.literal('Sitemap').optional(),
  listingPage: z.number().optional(),
  isReread: z.boolean().optional(),
  attempt: z.number(),
  blocks: z.number().optional(),
  isTroubled: z.boolean().optional(),
  isFailing: z.boolean().optional(),
  isProbe: z.boolean().optional(),
  viaProxy: z.boolean().optional(),
  known: z.object({ plan: z.string(), etag: z.string().optional(), lastModified: z.string().optional() }).optional(),
  ...turn,
});

const claimAnswer = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('Claimed'),
    server: z.string(),
    dueFrom: z.number().nullish(),
    /** Which change of the spec is in force; 0 before there was any. */
    liveVersion: z.number().default(0),
    claims: z.array(claim),
    ...times,
    /** How long the question lay with the gateway before it was put to the database. */
    heldMs: z.number().min(0).default(0),
  }),
  z.object({
    state: z.literal('Wait'),
    retryInMs: z.number(),
    isSeeded: z.boolean().optional(),
    dueFrom: z.number().nullish(),
  }),
  z.object({ state: z.literal('Stopping'), reason: z.string() }),
  z.object({ state: z.literal('Finished') }),
]);

const runAssignment = z.object({
  runId: uuid,
  namespace: z.string(),
  name: z.string(),
  specVersion: z.number(),
  /** Not checked: a spec of a later version is refused by its number. */
  spec: z.custom<CrawlRunSpec>((value) => typeof value === 'object' && value !== null),
  isScheduled: z.boolean(),
  liveVersion: z.number().default(0),
  startedAt: z.coerce.date().nullish(),
});

const heartbeat = z.object({
  state: z.enum(['Initialising', 'Crawling', 'Writing', 'Stopping', 'Stopped', 'Completed', 'Failed']),
  podName: z.string().max(300),
  nodeName: z.string().max(300),
  pagesInFlight: count,
  concurrency: count,
  currentUrl: url.optional(),
  idleMs: milliseconds,
  rssBytes: milliseconds,
  errors: count,
  stall: message.optional(),
});

const robotsVerdict = z.enum(['allow', 'disallow', 'rules']);

const outputLease = z.discriminatedUnion('state', [
  z.object({ state: z.literal('Leased'), fence }),
  z.object({ state: z.literal('Wait'), retryInMs: z.number() }),
  z.object({ state: z.literal('Stopping') }),
  z.object({ state: z.literal('Finished') }),
]);

const outputItem = z.object({
  id: z.string(),
  source: z.string(),
  url: z.string(),
  data: z.record(z.string(), z.unknown()),
});

/** The largest body of a call, in bytes, but for those that carry pages and links. */
const SMALL = 64 * 1_024;
/** A robots.txt of 500 KiB in which each byte takes six as JSON. */
const ROBOTS = 4 * 1_024 * 1_024;
/** All leases of a worker. */
const CLAIM = 1_024 * 1_024;
/** One page with its items and links: a text of so many bytes is what MOST_OF_A_BODY has room for. */
const LARGE = 14 * 1_024 * 1_024;

type Call<Request extends z.ZodType, Answer extends z.ZodType> = {
  readonly request: Request;
  readonly answer: Answer;
  readonly maxBytes: number;
  /** Whether it may give waiting workers of its run something to do, or nothing to wait for any more. */
  readonly mayBringWork?: true;
};

function call<Request extends z.ZodType, Answer extends z.ZodType>(
  request: Request,
  answer: Answer,
  options: { readonly maxBytes?: number; readonly mayBringWork?: true } = {},
): Call<Request, Answer> {
  return { request, answer, maxBytes: SMALL, ...options };
}

const brings = { mayBringWork: true } as const;

/** See `WorkerStore` for what each does. */
export const CALLS = {
  'load-run': call(z.object({}), runAssignment),
  /** The database's clock, in milliseconds since the epoch: between `now` and `moment`, which is `now` where it is left out. */
  clock: call(z.object({}), z.object({ now: z.number(), moment: z.number().optional() })),
  'add-seeds': call(z.object({ workerId: uuid, links }), z.boolean(), { maxBytes: LARGE, ...brings }),
  'seed-frontier': call(z.object({ workerId: uuid, links }), z.boolean(), { maxBytes: LARGE, ...brings }),
  claim: call(
    z.object({
      workerId: uuid,
      slots: count,
      /** How late answers come at worst. */
      latenessMs: z.number().min(0).max(3_600_000),
      epoch: count,
      held: z.array(uuid).max(MAX_LEASES).nullable(),
      server,
      dueFrom: z.number().nullable(),
      /** How long the claim may wait for work; 0 for an answer at once. */
      waitMs: z.number().min(0).max(MAX_WAIT_MS).default(0),
    }),
    claimAnswer,
    { maxBytes: CLAIM },
  ),
  commit: call(
    z.object({ workerId: uuid, outcomes: z.array(outcome).max(MAX_OUTCOMES), links: links.nullable(), server }),
    z.array(uuid),
    { maxBytes: LARGE, ...brings },
  ),
  'add-links': call(
    z.object({ workerId: uuid, requestId: uuid, leaseToken: uuid, links, server }),
    z.enum(['Added', 'Full', 'Lost']),
    { maxBytes: LARGE, ...brings },
  ),
  'reserve-host': call(
    z.object({ host, latenessMs: z.number().min(0).max(3_600_000) }),
    z.object({ ...turn, ...times }),
  ),
  'defer-host': call(z.object({ host, delayMs: milliseconds }), done),
  'recall-page': call(
    z.object({ requestId: uuid }),
    z
      .object({
        plan: z.string(),
        etag: z.string().nullable(),
        lastModified: z.string().nullable(),
        items: z.array(z.record(z.string(), z.unknown())),
        links: z
          .object({
            references: z.array(z.string()),
            base: z.string(),
            unread: z.number(),
            nofollow: z.array(z.string()).optional(),
            next: z.string().optional(),
          })
          .nullable(),
      })
      .nullable(),
  ),
  'report-block': call(z.object({ host, evidence: message }), done),
  'report-failure': call(
    z.object({ host, failureThreshold: count, cooldownMs: milliseconds, evidence: message }),
    z.boolean(),
  ),
  'report-answer': call(z.object({ host }), done),
  'report-outage': call(
    z.object({ host, ageMs: z.number(), message }),
    z.object({ state: z.enum(['Up', 'Slow', 'Parked', 'Down']), pauseMs: z.number() }),
    brings,
  ),
  'report-reachable': call(z.object({ host }), done, brings),
  'report-trap': call(
    z.object({ kind: z.enum(['RepeatingPath', 'Calendar', 'Combinations']), pattern: message, url }),
    done,
  ),
  'move-scope': call(z.object({ source: z.string().max(253), url }), z.boolean(), brings),
  'read-moved-scopes': call(z.object({}), z.record(z.string(), z.array(z.string()))),
  'are-all-sources-blocked': call(z.object({ refusals: count }), z.boolean()),
  'read-robots': call(
    z.object({ host }),
    z
      .object({
        verdict: robotsVerdict,
        body: z.string().nullable(),
        crawlDelayMs: z.number().nullable(),
        ageMs: z.number(),
      })
      .nullable(),
  ),
  'set-crawl-delay': call(z.object({ host, delayMs: z.int().min(0) }), done),
  'write-robots': call(
    z.object({
      host,
      verdict: robotsVerdict,
      body: z.string().max(1_048_576).nullable(),
      crawlDelayMs: z.int().min(0).nullable(),
    }),
    done,
    { maxBytes: ROBOTS },
  ),
  'read-host-rendering': call(z.object({ host }), z.object({ browserNeed: z.number(), ageMs: z.number() }).nullable()),
  'learn-host-rendering': call(z.object({ host, neededBrowser: z.boolean() }), z.number()),
  finish: call(z.object({}), z.boolean()),
  'lease-output': call(z.object({ workerId: uuid }), outputLease),
  'output-items': call(z.object({ fence, after: itemId }), z.array(outputItem).nullable()),
  'output-fields': call(
    z.object({ fence, after: itemId }),
    z.object({ last: z.string().nullable(), fields: z.array(z.string()) }).nullable(),
  ),
  'settle-output': call(
    z.object({
      fence,
      result: z.union([
        z.object({ path: z.string().max(4_096), bytes: z.number(), items: z.number(), sha256: z.string().max(64) }),
        z.object({ error: message }),
      ]),
    }),
    z.boolean(),
  ),
  'release-output': call(z.object({ fence }), done),
  'write-heartbeat': call(
    z.object({ workerId: uuid, heartbeat }),
    z.object({ finished: z.boolean(), stopReason: z.string().nullish(), liveVersion: z.number().default(0) }),
  ),
  /** A part of what the worker has logged. `Unavailable` while calls of crawls wait: what is kept of logs never costs these. */
  'write-log': call(
    z.object({
      workerId: uuid,
      part: z.object({
        seq: z.int().min(1).max(1e9),
        /** Times of the first and the last line. */
        firstAt: instant,
        lastAt: instant,
        lines: count,
        /** Lines before these that were not kept. */
        lost: count,
        /** gzip of the lines. */
        data: z.base64().max(Math.ceil(MAX_LOG_BYTES / 3) * 4),
      }),
    }),
    z.boolean(),
  ),
} as const;

export type CallName = keyof typeof CALLS;
/** What the caller writes. */
export type CallRequest<Name extends CallName> = z.input<(typeof CALLS)[Name]['request']>;
/** What the callee reads. */
export type CallArguments<Name extends CallName> = z.output<(typeof CALLS)[Name]['request']>;
export type CallAnswer<Name extends CallName> = z.output<(typeof CALLS)[Name]['answer']>;

/** The way to whoever answers calls: rejects with a `StoreError`, or with the signal's reason. */
export type WorkerCalls = {
  call<Name extends CallName>(name: Name, request: CallRequest<Name>, signal: AbortSignal): Promise<CallAnswer<Name>>;
  close(): Promise<void>;
};

export const CALL_PATH_PREFIX = '/v1/';

export function isCallName(name: string): name is CallName {
  return Object.hasOwn(CALLS, name);
}
