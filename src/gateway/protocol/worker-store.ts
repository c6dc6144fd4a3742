// What a worker may ask of Postgres: its run, the frontier and its own heartbeat. Everything is fenced by the run's
// token and by lease tokens, so that a worker that lost a request, or whose run has ended, can write nothing.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { FailureCause } from '../../resources/failure-causes.ts';

export type { FailureCause };

/** What the operator stored when it accepted the run. */
export type RunAssignment = {
  readonly runId: string;
  readonly namespace: string;
  readonly name: string;
  readonly specVersion: number;
  /** The resolved spec: every default filled in. */
  readonly spec: CrawlRunSpec;
  /** Whether the run is one of a schedule's, so that what it learns of pages serves the next one. */
  readonly isScheduled: boolean;
  /** Which change of the spec it is of; 0 before there was any. */
  readonly liveVersion: number;
  /** Wall-clock time of the run's first heartbeat, the start of `timeoutSeconds`; absent before it. */
  readonly startedAt?: Date;
};

/** A URL to be put into the frontier. */
export type Discovery = {
  readonly source: string;
  /** Normalised, at most 2,048 characters. */
  readonly url: string;
  /** Lower-case host name with its port where that is not the scheme's default: the unit of politeness. */
  readonly host: string;
  /** 0 for a seed. */
  readonly depth: number;
  /**
   * The URLs that led here by redirects, the first one first, at most 10; absent when a link did. A redirect's target
   * is a request of its own, so that a page is fetched once however many URLs lead to it; this tells a loop.
   */
  readonly redirects?: readonly string[];
  /** Absent for a page. A sitemap takes no place in the page limits; its depth is that of nested indexes. */
  readonly kind?: 'Sitemap';
  /** Which page of a listing it is; absent for the first one, and for what is no listing. */
  readonly listingPage?: number;
  /**
   * Present when a pattern excludes it that may be taken back: by which change of the spec. It is kept without being crawled, unless
   * there is a later change.
   */
  readonly excludedBy?: number;
};

/** What a server said of the version of a page that it sent (RFC 9110, 8.8); as it was written. */
export type Validators = { readonly etag?: string; readonly lastModified?: string };

/** A page as an earlier run of the schedule saw it, which may still be the same. */
export type KnownPage = Validators & {
  /** A UUID for the part of the spec that decides what a page gives: with another one the page has to be read anew. */
  readonly plan: string;
};

/** The links of a page as they are written in it, before any is chosen. */
export type PageLinks = {
  readonly references: readonly string[];
  /** What the references are relative to. */
  readonly base: string;
  /** Links that were not even read. */
  readonly unread: number;
  /** References that the page asks not to follow; absent where it asks nothing, or is not heard. */
  readonly nofollow?: readonly string[];
  /** The reference to the next page of a listing; absent where there is none, or none is to be followed. */
  readonly next?: string;
};

/** What the page had given then. */
export type RememberedPage = KnownPage & {
  readonly items: readonly ItemData[];
  readonly links: PageLinks;
};

/**
 * A place in the line of those who may ask a host. Spacing of places is spacing of sends, over all workers. In
 * milliseconds of `performance.now()`, so that nothing that takes time in between makes it wrong.
 */
export type Place = {
  /** The host must not be asked before. */
  readonly from: number;
  /** The place is lost after, and another one is to be taken; absent when it stays good. */
  readonly by?: number;
  /** How far apart places are, where that is less than the run's own delay: the host is shared with a faster run. */
  readonly spacingMs?: number;
};

/** A request that this worker holds until `leaseSeconds` after its last heartbeat, and its place at the host. */
export type Claim = Discovery &
  Place & {
    readonly requestId: string;
    /** Fencing token: a new one for each claim of the request. */
    readonly leaseToken: string;
    /** It was read before, and its items are stored: this is for the links that its source's new scope, or a shorter path, allows. */
    readonly isReread?: boolean;
    /** 1 at the first try; tries that were blocked are not counted. */
    readonly attempt: number;
    /** Earlier tries that the host refused; absent when there were none. */
    readonly blocks?: number;
    /** The host has refused pages or failed lately, so that the pages which it gives are told of, too. */
    readonly isTroubled?: boolean;
    /** The host has met tries with no answer lately, so that the next answer is reported. */
    readonly isFailing?: boolean;
    /** The host does not answer: this one try is to find out whether it does again. */
    readonly isProbe?: boolean;
    /** The host failed too often on the direct way: a run whose proxy is used automatically takes it. */
    readonly viaProxy?: boolean;
    /** Present when what the page gave last time was kept: see `recallPage`. */
    readonly known?: KnownPage;
  };

/** Why there is nothing to do now: `Wait` until some host or retry is due, `Stopping` on demand, `Finished` for good. */
export type ClaimResult =
  /** `liveVersion`: which change of the spec the claims are to be crawled by. */
  | { readonly state: 'Claimed'; readonly claims: readonly Claim[]; readonly liveVersion: number }
  | { readonly state: 'Wait'; readonly retryInMs: number }
  /** The database has lost the seeds that were put in: they have to be put in again. */
  | { readonly state: 'Unseeded' }
  | { readonly state: 'Stopping'; readonly reason: string }
  | { readonly state: 'Finished' };

/** One record extracted from a page: field name to value. */
export type ItemData = Readonly<Record<string, unknown>>;

/** Metrics of the fetch, kept with the request. */
export type FetchFacts = {
  readonly status?: number;
  readonly bytes?: number;
  readonly durationMs?: number;
  readonly finalUrl?: string;
  readonly contentType?: string;
  /** In render mode Auto: which of the two the result comes from. */
  readonly renderedBy?: 'HTTP' | 'Browser';
  /** Of a page that was read before it was loaded: why. */
  readonly unfinished?: string;
  /** Path of the page's picture in the volume of the output. */
  readonly screenshot?: string;
  /** Why there is no picture of a page that was to have one. */
  readonly screenshotError?: string;
  /** What was not read or stored to its end. */
  readonly truncated?: readonly Truncation[];
};

/**
 * How a claimed request ended. `done` stores items; `skipped` is not a page (its place in the page limits is given back);
 * `retry` puts it back for later, or makes it a dead letter when its retries are used up. A page that was read has its links
 * stored however it ends.
 */
export type Outcome = { readonly claim: Claim; readonly facts?: FetchFacts } & FoundLinks &
  (
    | {
        readonly type: 'done';
        readonly items: readonly ItemData[];
        readonly links: readonly Discovery[];
        readonly itemsLeftOut?: ItemsLeftOut;
        /** For the next run of the schedule: the links only when the page has validators. */
        readonly page?: KnownPage & { readonly links?: PageLinks };
      }
    | {
        readonly type: 'skipped';
        readonly reason: SkipReason;
        /** Of what an edited spec speaks against: by which change. With a later one the request is queued again. */
        readonly judgedBy?: number;
      }
    | { readonly type: 'retry'; readonly cause: FailureCause; readonly message: string; readonly delayMs: number }
    | {
        readonly type: 'dead';
        readonly cause: FailureCause;
        readonly message: string;
        readonly itemsLeftOut?: ItemsLeftOut;
      }
    | { readonly type: 'released' }
  );

/** What the links of a page came to; absent where no page was read. */
export type FoundLinks = {
  readonly links?: readonly Discovery[];
  readonly leftOut?: LeftOut;
  /**
   * Present when links were left out that another move of the scope may reach: how many moves were known. The page is read again
   * for its links when there are more.
   */
  readonly scopeMoves?: number;
  /** Present when links were left out for the run's depth limit: which it was. The page is read again for its links when it is raised. */
  readonly cutAtDepth?: number;
};

/**
 * Links of a page that never became requests, by reason. They are counted beside the skipped requests, and are no part
 * of the run's total.
 */
export type LeftOut = Readonly<Partial<Record<SkipReason, number>>>;

/** Items of a page that are not stored, by reason. */
export type ItemsLeftOut = Readonly<Partial<Record<ItemLeftOutReason, number>>>;

/** Fixed list: why an item was left out. Counted per run. */
export const ITEM_LEFT_OUT_REASONS = [
  /** It lacks a required field. */
  'MissingField',
  /** It is beyond the most items of one page. */
  'TooManyItems',
] as const;
export type ItemLeftOutReason = (typeof ITEM_LEFT_OUT_REASONS)[number];

/** Fixed list: what a page that was stored lacks. Counted per run. */
export const PARTS_MISSING = [
  /** The browser could not take its picture: see `screenshotError`. */
  'NoScreenshot',
  /** It was read without what did not answer in time: see `unfinished`. */
  'NotFullyLoaded',
  /** Something of it was more than is read or stored: see `truncated`. */
  'Truncated',
] as const;
export type PartMissing = (typeof PARTS_MISSING)[number];

/** Fixed list: what of a page was cut at a bound, or broke off. */
export const TRUNCATIONS = [
  /** The body: its content coding broke off, or was spoilt. */
  'Body',
  /** A text or an attribute, such as the value of a field. */
  'Texts',
  /** The values of a field with several. */
  'Values',
  /** The images of an item. */
  'Images',
  /** The links that an item lists; those that are followed are counted by TooManyLinks. */
  'ItemLinks',
  /** JSON-LD, microdata or RDFa. */
  'StructuredData',
  'MetaTags',
  /** Frames, and shadow trees. */
  'Frames',
  /** The forms that the page posted by itself: the answer to the last one was not waited for. */
  'FormPosts',
  /** The main text, or the HTML that it is looked for in. */
  'MainText',
  /** The HTML for a custom extractor. */
  'Html',
  'Screenshot',
] as const;
export type Truncation = (typeof TRUNCATIONS)[number];

/** Fixed list: why a request was not crawled, or a link not followed. Counted per run. */
export const SKIP_REASONS = [
  'RobotsDisallowed',
  'OutOfScope',
  /** Excluded by a pattern that the run was given on its way. */
  'Excluded',
  'MaxPages',
  'MaxDepth',
  /** A next page of a listing that has as many as are followed. */
  'MaxListingPages',
  'NotHtml',
  /** No page: its entries are requests of their own. */
  'Sitemap',
  /** The URL only leads to another one, which is in the frontier itself. */
  'Redirected',
  /** A page that asks not to be kept. */
  'NoIndex',
  /** A page that names another one to be crawled in its place. */
  'Canonical',
  /** A link that its page asks not to follow. */
  'Nofollow',
  /** A link that is longer than any URL that is crawled. */
  'UrlTooLong',
  /** A link of a kind that the site makes up without end. */
  'SpiderTrap',
  /** A link beyond the bound on links of one page. */
  'TooManyLinks',
  /** A dead letter that a person has cleared. */
  'Cleared',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** How often a page that its host refuses is tried again, apart from the run's own retries. */
export const MAX_BLOCKED_RETRIES = 3;

export type HostFailure = {
  /** Failures in a row after which the host goes by the proxy. */
  readonly failureThreshold: number;
  /** How long it does, a day at most. */
  readonly cooldownMs: number;
  /** Why, for people, should it come to that. */
  readonly evidence: string;
};

/** What tries in a row that met no working server have made of a host, see docs/crawling.md. */
export type HostOutage = {
  /** From `Parked` on tries are single probes; a host that is `Down` is given up by the runs at work on it. */
  readonly state: 'Up' | 'Slow' | 'Parked' | 'Down';
  /** Until the next try, in milliseconds. */
  readonly pauseMs: number;
};

/** Links that a site makes up without end, and that are not followed. */
export type SpiderTrap = {
  readonly kind: 'RepeatingPath' | 'Calendar' | 'Combinations';
  /** What their URLs have in common, host and all. */
  readonly pattern: string;
  /** One that was not followed. */
  readonly url: string;
};

export type MovedScopes = Readonly<Record<string, readonly string[]>>;

/** robots.txt of a host as the last fetch found it (RFC 9309). */
export type HostRobots = {
  /** `allow`: no file (4xx). `disallow`: unreachable or 5xx. `rules`: see `body`. */
  readonly verdict: 'allow' | 'disallow' | 'rules';
  readonly body?: string;
  /** Written: the crawl-delay for our user agent, in milliseconds. Read: that which the host has now, for whatever run. */
  readonly crawlDelayMs?: number;
  /** Age in milliseconds, by the database's clock. */
  readonly ageMs: number;
};

/** Who may write the run's file: this worker until its heartbeats stop, another that is waited for, or nobody any more. */
export type OutputLease =
  | { readonly state: 'Leased'; readonly fence: string }
  | { readonly state: 'Wait'; readonly retryInMs: number }
  | { readonly state: 'Stopping' }
  | { readonly state: 'Finished' };

/** An item as the file carries it. `id` is its place in the order of all items. */
export type OutputItem = {
  readonly id: string;
  readonly source: string;
  readonly url: string;
  readonly data: ItemData;
};

/** What became of the run's file; `path` is within the volume. */
export type OutputResult =
  | { readonly path: string; readonly bytes: number; readonly items: number; readonly sha256: string }
  | { readonly error: string };

/** What was learnt of a host's pages by comparing what HTTP and the browser found there. */
export type HostRendering = {
  /** Moving share of the pages for which the browser found more, from 0 to 1. */
  readonly browserNeed: number;
  /** Since the last comparison, in milliseconds, by the database's clock. */
  readonly ageMs: number;
};

/** The worker's side of the store. Every call rejects with the signal's reason when it is aborted. */
export type WorkerStore = {
  /** Rejects with `SchemaMismatch` when the database serves other versions of workers only. */
  loadRun(signal: AbortSignal): Promise<RunAssignment>;
  /**
   * Puts the seeds in, once for the run however many workers call it; false when another did. Many go in one part after
   * another and may be claimed from then on; the run is not seeded, nor can it be finished, before the last part is in.
   */
  seed(seeds: readonly Discovery[], signal: AbortSignal): Promise<boolean>;
  /** At most `slots` requests, hosts first; extends nothing, waits for nothing. */
  claim(slots: number, signal: AbortSignal): Promise<ClaimResult>;
  /** After a claim that was given up: what it may have leased goes back to the queue, now or when it gets there. */
  returnUnknownLeases(signal: AbortSignal): Promise<void>;
  /** Takes the host's next place for one more document (robots.txt, a redirect's hop), or in stead of a lost one. */
  reserveHost(host: string, signal: AbortSignal): Promise<Place>;
  /** Pushes the host's next time at least this far away (Retry-After, 429). */
  deferHost(host: string, delayMs: number, signal: AbortSignal): Promise<void>;
  /** What the page had given when the schedule saw it last; undefined when that was not kept, or is kept no more. */
  recallPage(requestId: string, signal: AbortSignal): Promise<RememberedPage | undefined>;
  /** A page was refused: every run of the scope asks the host more slowly, and the run's status tells of it. */
  reportBlock(host: string, evidence: string, signal: AbortSignal): Promise<void>;
  /** A try on the direct way failed; true when the host goes by the proxy from now on, for every run of the scope. */
  reportFailure(host: string, failure: HostFailure, signal: AbortSignal): Promise<boolean>;
  /** A host in trouble gave a page; after enough of them it is asked faster again. */
  reportAnswer(host: string, signal: AbortSignal): Promise<void>;
  /**
   * A try met no working server: every run of the scope asks the host more slowly, and gives it up in the end.
   * @param ageMs since the try began: what began before the last failure of a parked host says nothing new
   */
  reportOutage(host: string, ageMs: number, message: string, signal: AbortSignal): Promise<HostOutage>;
  /** A host that had met no working server has answered: it is asked as before, at once. */
  reportReachable(host: string, signal: AbortSignal): Promise<void>;
  /** The run keeps the first 100 patterns, each with the URL that was told first. */
  reportTrap(trap: SpiderTrap, signal: AbortSignal): Promise<void>;
  /**
   * A start URL of the source has moved to the URL, which its scope reaches from now on, for every worker of the run.
   * False when that holds for 100 places already, and this one is none of them.
   */
  moveScope(source: string, url: string, signal: AbortSignal): Promise<boolean>;
  /** Where start URLs have moved to, by the names of their sources, in the order in which that was found. */
  readMovedScopes(signal: AbortSignal): Promise<MovedScopes>;
  /** Whether no page succeeded and every source was refused so many tries, or lost all of its pages to refusals. */
  areAllSourcesBlocked(enoughRefusals: number, signal: AbortSignal): Promise<boolean>;
  readRobots(host: string, signal: AbortSignal): Promise<HostRobots | undefined>;
  /** What the host's robots.txt asks of this run's user agent, in milliseconds; the slowest of the runs at work counts. */
  setCrawlDelay(host: string, delayMs: number, signal: AbortSignal): Promise<void>;
  writeRobots(host: string, robots: Omit<HostRobots, 'ageMs'>, signal: AbortSignal): Promise<void>;
  readHostRendering(host: string, signal: AbortSignal): Promise<HostRendering | undefined>;
  /** Adds one page's evidence to what is known of the host; the new `browserNeed`. */
  learnHostRendering(host: string, neededBrowser: boolean, signal: AbortSignal): Promise<number>;
  /**
   * Commits results, new links and states in one transaction. Returns the request ids that were still ours: the
   * others had lost their lease and nothing of them was written.
   */
  commit(outcomes: readonly Outcome[], signal: AbortSignal): Promise<ReadonlySet<string>>;
  /**
   * Puts links in while the claim that they are found at goes on. `Lost`: the claim is not ours any more. `Full`: the
   * run has more waiting than it can make use of. Nothing was put in then.
   */
  addLinks(claim: Claim, links: readonly Discovery[], signal: AbortSignal): Promise<'Added' | 'Full' | 'Lost'>;
  /**
   * True when the crawl is over, since nothing is queued or leased any more. With that the run is finished, unless it
   * has a file to be written.
   */
  finish(signal: AbortSignal): Promise<boolean>;
  /** Takes the run's file to write it. Only after `finish` was true. */
  leaseOutput(signal: AbortSignal): Promise<OutputLease>;
  /** The next items in their order, from the start without `after`; empty at the end, undefined for a lost lease. */
  outputItems(
    fence: string,
    after: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly OutputItem[] | undefined>;
  /** The names of all fields that items have, sorted; undefined for a lost lease. */
  outputFields(fence: string, signal: AbortSignal): Promise<readonly string[] | undefined>;
  /** Ends the run with what became of its file; false when the lease is lost. */
  settleOutput(fence: string, result: OutputResult, signal: AbortSignal): Promise<boolean>;
  /** Lets another worker write the file at once. */
  releaseOutput(fence: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
};

/** What a worker tells every `heartbeat.interval`, from a thread and a connection of its own. */
export type Heartbeat = {
  readonly state: 'Initialising' | 'Crawling' | 'Writing' | 'Stopping' | 'Stopped' | 'Completed' | 'Failed';
  readonly podName: string;
  readonly nodeName: string;
  readonly pagesInFlight: number;
  /** Pages that may be open at once now; 0 before the crawl. */
  readonly concurrency: number;
  readonly currentUrl?: string;
  /** Milliseconds since a request was last committed or claimed. */
  readonly idleMs: number;
  readonly rssBytes: number;
  /** Exceptions apart from failed URLs. */
  readonly errors: number;
  /** Why the worker ends itself now, since it hangs. */
  readonly stall?: string;
};

/** The stop reason with which pages that are open are given up. */
export const TERMINATED = 'Terminated';

/** The answer: whether to go on. */
export type HeartbeatAnswer = {
  readonly finished: boolean;
  readonly stopReason?: string;
  /** Which change of the spec is in force. */
  readonly liveVersion: number;
};

export type HeartbeatStore = {
  /** Writes the heartbeat and extends this worker's leases. Gives up after 10 s. */
  beat(heartbeat: Heartbeat, signal: AbortSignal): Promise<HeartbeatAnswer>;
  close(): Promise<void>;
};
