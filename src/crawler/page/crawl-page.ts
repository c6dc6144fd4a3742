// One request from claim to outcome: ask robots.txt, wait for its place on the host, fetch, extract, find links.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import {
  type Claim,
  type Discovery,
  type FetchFacts,
  type ItemData,
  type LeftOut,
  MAX_BLOCKED_RETRIES,
  type Outcome,
  type PageLinks,
  type SkipReason,
  type Validators,
  type WorkerStore,
} from '../../store/worker-store.ts';
import { backOffMs } from '../back-off.ts';
import { createLinkFilter, createVerdicts, type Verdicts } from '../discovery/link-filter.ts';
import { productToken } from '../discovery/robots.ts';
import type { RobotsGate } from '../discovery/robots-gate.ts';
import type { SitemapReader } from '../discovery/sitemap-reader.ts';
import type { Trap } from '../discovery/spider-traps.ts';
import { blockedBy } from '../extraction/blocked.ts';
import { baseOf, createExtraction, planForSource } from '../extraction/extraction.ts';
import type { Extractor } from '../extraction/extractor.ts';
import type { ExtractorAnswer } from '../extraction/extractor-messages.ts';
import { directivesOf } from '../extraction/page-directives.ts';
import type { PagePlan, RawPage } from '../extraction/read-page.ts';
import { CrawlError, type Failure } from '../failure.ts';
import type { HostPacer } from '../network/host-pacer.ts';
import type { Rendered, Renderer } from '../renderer.ts';
import type { Routes } from '../rendering/routes.ts';
import { createScope, isSameSite } from '../scope.ts';
import { hostKey, normaliseUrl } from '../url.ts';
import { createHostHistory } from './host-history.ts';
import type { HostReports } from './host-reports.ts';
import type { PageMemory } from './page-memory.ts';
import { createRecentSet } from './recent-set.ts';
import type { TrapReports } from './trap-reports.ts';

/** Redirects from the URL that was asked for to a page. */
const MAX_REDIRECTS = 10;

/** Pages that are remembered to have been skipped for another. */
const MAX_REPLACED = 10_000;

/** A host that refuses without saying for how long is left alone this much longer than a page that merely failed. */
const REFUSAL_FACTOR = 8;

/** What the extractor has for a page at least, however long that took to come. */
const MIN_EXTRACTOR_MS = 1_000;

export type PageCrawler = {
  /**
   * The claim's outcome. Rejects with the signal's reason when that is aborted, and with a StoreError when the store
   * cannot answer; a page's own trouble is always an outcome.
   */
  readonly crawl: (claim: Claim, signals: CrawlSignals) => Promise<Outcome>;
};

export type CrawlSignals = {
  /** No new page is begun: what still waits for its place is released. Aborted whenever `abort` is. */
  readonly stopping: AbortSignal;
  /** What is under way is given up, too. */
  readonly abort: AbortSignal;
};

export function createPageCrawler(options: {
  readonly spec: CrawlRunSpec;
  readonly store: Pick<WorkerStore, 'deferHost' | 'addLinks'>;
  readonly reports: HostReports;
  readonly traps: TrapReports;
  readonly routes: Routes;
  readonly renderer: Renderer;
  /** Absent when the spec says that robots.txt is ignored. */
  readonly robots?: RobotsGate;
  readonly sitemaps: SitemapReader;
  /** Absent for a run without a schedule: nothing is to be kept for a next one. */
  readonly memory?: PageMemory;
  readonly pacer: HostPacer;
  /** Absent when the spec asks for nothing that it does. */
  readonly extractor?: Extractor;
  /** Absent when the spec asks for none. */
  readonly screenshots?: Screenshots;
}): PageCrawler {
  const { spec, store, reports, traps, routes, renderer, robots, sitemaps, memory, pacer, extractor, screenshots } =
    options;
  const extraction = createExtraction(spec.extract);
  const verdicts = createVerdicts();
  const sources = new Map(
    spec.sources.map((source) => [source.name, rulesOf(source, spec, extraction.plan, verdicts, traps.noticed)]),
  );
  const product = productToken(spec.fetch.userAgent);
  const obeysMeta = spec.politeness.robotsMeta === 'Obey';
  /** Pages that were skipped for their canonical ones. */
  const replaced = createRecentSet(MAX_REPLACED);
  const timeoutMs = durationMs(spec.fetch.pageTimeout);
  const history = createHostHistory();

  /** What keeps the page from being fetched, if anything. */
  async function refusal(claim: Claim, url: URL, signals: CrawlSignals): Promise<Outcome | undefined> {
    if (robots === undefined) return undefined;
    const answer = await robots.check(url, signals.abort);
    if ('failure' in answer) return failed(claim, answer.failure, undefined, signals);
    await addNamedSitemaps(claim, url, answer.sitemaps, signals);
    if (!answer.allowed) return skipped(claim, 'RobotsDisallowed');
    return undefined;
  }

  /** Puts in the sitemaps that robots.txt of a start URL's host names, within its site. The store knows most of them. */
  async function addNamedSitemaps(claim: Claim, url: URL, references: readonly string[], { abort }: CrawlSignals) {
    const rules = sources.get(claim.source);
    if (rules === undefined || !rules.takesNamedSitemaps || claim.depth > 0) return;
    const links = references
      .map((reference) => normaliseUrl(reference, url.href))
      .filter((sitemap) => sitemap !== undefined)
      .filter((sitemap) => isSameSite(sitemap, url))
      .map((sitemap) => sitemapAt(claim.source, sitemap));
    if (links.length > 0) await store.addLinks(claim, links, abort);
  }

  /** Puts a failed page back for later when that may help, and leaves its host alone when it asked for that. */
  async function failed(
    claim: Claim,
    failure: Failure,
    facts: FetchFacts | undefined,
    signals: CrawlSignals,
  ): Promise<Outcome> {
    const { cause, message, retryable } = failure;
    const base = { claim, cause, message, ...(facts === undefined ? {} : { facts }) };
    const hostPauseMs = hostPause(failure, claim);
    const isSwitched = await reports.failed(claim, failure, facts?.status, signals.abort);
    if (hostPauseMs > 0 && !isSwitched) await store.deferHost(claim.host, hostPauseMs, signals.abort);
    if (!retryable || !hasRetriesLeft(claim, cause)) return { type: 'dead', ...base };
    const delayMs = Math.max(backOffMs(claim.attempt), hostPauseMs, failure.retryAfterMs ?? 0);
    return { type: 'retry', ...base, delayMs };
  }

  function hasRetriesLeft({ attempt, blocks = 0 }: Claim, cause: Failure['cause']): boolean {
    return cause === 'Blocked' ? blocks < MAX_BLOCKED_RETRIES : attempt <= spec.fetch.maxRetries;
  }

  async function done(
    claim: Claim,
    url: URL,
    rendered: Extract<Rendered, { type: 'page' }>,
    signals: CrawlSignals,
  ): Promise<Outcome> {
    const { page, validators, facts } = rendered;
    const asked = obeysMeta ? directivesOf(page.robots, rendered.robotsHeader, product) : undefined;
    const links = linksToFollow(page, url, asked?.nofollow ?? false);
    const canonical = canonicalOf(claim, url, page);
    if (canonical !== undefined) {
      const found = linksOf(claim, url, links);
      return { ...skipped(claim, 'Canonical', facts), ...found, links: [canonical, ...found.links] };
    }
    if (asked?.noindex) return { ...skipped(claim, 'NoIndex', facts), ...linksOf(claim, url, links) };
    const result = extraction.itemsOf(page, url);
    if ('missing' in result) {
      const message = `the page has no ${result.missing}, which is required`;
      return { type: 'dead', claim, cause: 'MissingField', message, facts };
    }
    const extracted = await extractedFrom(page, url, result.items, facts, signals.abort);
    if ('failure' in extracted) return failed(claim, extracted.failure, facts, signals);
    const taken = extracted.items.slice(0, sources.get(claim.source)?.maxItems);
    const pictured = await withScreenshot(claim, taken, rendered);
    if ('failure' in pictured) return failed(claim, pictured.failure, facts, signals);
    const { items } = pictured;
    const references = asked?.nofollow ? links.references : [...links.references, ...extracted.links];
    return kept(claim, url, { items, links: { ...links, references } }, pictured.facts, validators);
  }

  /** The items name the page's picture when that is on the disk; a page without items needs none. */
  async function withScreenshot(
    claim: Claim,
    items: readonly ItemData[],
    { screenshot, facts }: Extract<Rendered, { type: 'page' }>,
  ): Promise<{ readonly items: readonly ItemData[]; readonly facts: FetchFacts } | { readonly failure: Failure }> {
    if (screenshots === undefined || items.length === 0) return { items, facts };
    if (screenshot === undefined) return { items: items.map((item) => ({ ...item, screenshot: null })), facts };
    try {
      const { name, path } = await screenshots.keep(claim, screenshot);
      return { items: items.map((item) => ({ ...item, screenshot: name })), facts: { ...facts, screenshot: path } };
    } catch (error) {
      if (error instanceof CrawlError) return { failure: error.failure };
      throw error;
    }
  }

  function linksToFollow(page: RawPage, url: URL, none: boolean): PageLinks {
    const held = new Set(spec.politeness.nofollow === 'Obey' ? page.nofollow : []);
    const isHeld = (_: string, position: number) => none || held.has(position);
    const nofollow = page.links.filter(isHeld);
    const { next } = page;
    return {
      base: baseOf(page, url),
      references: page.links.filter((reference, position) => !isHeld(reference, position)),
      unread: page.linksLeftOut,
      ...(nofollow.length === 0 ? {} : { nofollow }),
      ...(next === null || none || nofollow.includes(next) ? {} : { next }),
    };
  }

  /** The request for the page that is to be crawled in place of this one, where the source goes by that. */
  function canonicalOf(claim: Claim, url: URL, page: RawPage): Discovery | undefined {
    const { source, redirects = [], url: asked } = claim;
    const rules = sources.get(source);
    if (rules === undefined || !rules.followsCanonical || page.canonical === null) return undefined;
    const to = normaliseUrl(page.canonical, baseOf(page, url));
    const path = [...redirects, asked];
    if (to === undefined || to.href === url.href || path.includes(to.href) || path.length > MAX_REDIRECTS)
      return undefined;
    // Two pages that name each other would both be skipped.
    if (!rules.scope.followsRedirect(to) || replaced.has(to.href)) return undefined;
    replaced.add(url.href);
    return inPlaceOf(claim, to, path);
  }

  /** The page's items with what the extractor process adds to them; it has the rest of the page's time. */
  async function extractedFrom(
    { html }: RawPage,
    url: URL,
    items: readonly ItemData[],
    { status, contentType, durationMs = 0 }: FetchFacts,
    signal: AbortSignal,
  ): Promise<ExtractorAnswer | { readonly failure: Failure }> {
    const wantsText = spec.extract?.text ?? false;
    if (extractor === undefined || (spec.extract?.module === undefined && items.length === 0))
      return { items, links: [] };
    const response = {
      ...(status === undefined ? {} : { status }),
      ...(contentType === undefined ? {} : { contentType }),
    };
    try {
      const job = { url: url.href, html, items, wantsText, response };
      return await extractor.extract(job, Math.max(timeoutMs - durationMs, MIN_EXTRACTOR_MS), signal);
    } catch (error) {
      if (error instanceof CrawlError) return { failure: error.failure };
      throw error;
    }
  }

  /** The page gives what it gave last time; undefined when that is not known any more. */
  async function asBefore(
    claim: Claim,
    url: URL,
    facts: FetchFacts,
    signals: CrawlSignals,
  ): Promise<Outcome | undefined> {
    const before = await memory?.recall(claim, signals.abort);
    return before && kept(claim, url, before.content, facts, before.validators);
  }

  function kept(
    claim: Claim,
    url: URL,
    content: { readonly items: readonly ItemData[]; readonly links: PageLinks },
    facts: FetchFacts,
    validators: Validators | undefined,
  ): Outcome {
    const { items, links } = content;
    // What another URL answers on the way from this one says nothing about it.
    const page = memory?.entryOf(claim, url.href === claim.url ? validators : undefined, links);
    return { type: 'done', claim, items, facts, ...linksOf(claim, url, links), ...(page ? { page } : {}) };
  }

  function linksOf({ source, depth, listingPage = 1 }: Claim, url: URL, page: PageLinks): Links {
    const rules = sources.get(source);
    if (rules === undefined) return { links: [] };
    const { followsLink: within, followsNext } = rules.scope;
    const listing = { page: listingPage, within: followsNext };
    const { follow, next, leftOut } = rules.chooseLinks(page, { depth: depth + 1, within, page: url, listing });
    const links: Discovery[] = follow.map((link) => requestFor(source, link, depth + 1));
    if (next !== undefined) links.unshift({ ...requestFor(source, next, depth), listingPage: listingPage + 1 });
    return { links, ...countsOf(leftOut) };
  }

  /**
   * A redirect's target becomes a request of its own, so that it is fetched once however many URLs lead to it. Only a
   * way back to where we came from is gone at once, and once: a cookie may make the difference.
   */
  function redirected(claim: Claim, path: readonly string[], to: URL, facts: FetchFacts): Outcome | 'again' {
    const visits = path.filter((url) => url === to.href).length;
    if (path.length > MAX_REDIRECTS || visits > 1) {
      return tooManyRedirects(claim, [...path, to.href], facts);
    }
    if (visits > 0) return 'again';
    if (!sources.get(claim.source)?.scope.followsRedirect(to)) return skipped(claim, 'OutOfScope', facts);
    return { ...skipped(claim, 'Redirected', facts), links: [inPlaceOf(claim, to, path)] };
  }

  async function readSitemap(claim: Claim, url: URL, signals: CrawlSignals): Promise<Outcome> {
    const rules = sources.get(claim.source);
    if (rules === undefined) return skipped(claim, 'OutOfScope');
    const end = await sitemaps.read(claim, url, rules, signals.abort);
    switch (end.type) {
      case 'read':
        return { ...skipped(claim, 'Sitemap', end.facts), ...countsOf(end.leftOut) };
      case 'redirect':
        return sitemapRedirected(claim, url, end.to, end.facts);
      case 'failed':
        return failed(claim, end.failure, end.facts, signals);
    }
  }

  function sitemapRedirected(claim: Claim, url: URL, to: URL, facts: FetchFacts): Outcome {
    const path = [...(claim.redirects ?? []), url.href];
    if (path.length > MAX_REDIRECTS || path.includes(to.href))
      return tooManyRedirects(claim, [...path, to.href], facts);
    if (!isSameSite(url, to)) return skipped(claim, 'OutOfScope', facts);
    const target = { ...sitemapAt(claim.source, to), depth: claim.depth, redirects: path };
    return { ...skipped(claim, 'Redirected', facts), links: [target] };
  }

  async function fetchPage(claim: Claim, start: URL, signals: CrawlSignals): Promise<Outcome> {
    const path = [...(claim.redirects ?? []), start.href];
    const plan = sources.get(claim.source)?.plan ?? extraction.plan;
    let known = memory?.validatorsOf(claim);
    for (let url = start; ; ) {
      const rendered = await renderer.render(url, plan, timeoutMs, signals.abort, known);
      known = undefined;
      if (rendered.type === 'unmodified') {
        await reports.answered(claim, signals.abort);
        const outcome = await asBefore(claim, url, rendered.facts, signals);
        if (outcome !== undefined) return outcome;
        await pacer.takePlace(hostKey(url), signals.stopping);
        continue;
      }
      if (rendered.type !== 'redirect') return outcomeOf(claim, url, rendered, signals);
      const { to, retryAfterMs } = rendered;
      // Of itself a host may ask for that; not of another one, which it could keep from being crawled.
      if (retryAfterMs !== undefined && hostKey(to) === claim.host) {
        await store.deferHost(claim.host, retryAfterMs, signals.abort);
      }
      const next = redirected(claim, path, to, rendered.facts);
      if (next !== 'again') return next;
      url = to;
      path.push(url.href);
      await pacer.takePlace(hostKey(url), signals.stopping);
    }
  }

  async function outcomeOf(
    claim: Claim,
    url: URL,
    rendered: Exclude<Rendered, { type: 'redirect' | 'unmodified' }>,
    signals: CrawlSignals,
  ): Promise<Outcome> {
    switch (rendered.type) {
      case 'page': {
        const evidence = history.emptyShell(claim.host, rendered.page);
        if (evidence !== undefined) return failed(claim, blockedBy(evidence), rendered.facts, signals);
        await reports.answered(claim, signals.abort);
        return done(claim, url, rendered, signals);
      }
      case 'notHtml':
        return skipped(claim, 'NotHtml', rendered.facts);
      case 'failed': {
        const evidence = rendered.facts.status === 403 ? history.forbidden(claim.host) : undefined;
        const failure = evidence === undefined ? rendered.failure : blockedBy(evidence);
        return failed(claim, failure, rendered.facts, signals);
      }
    }
  }

  return {
    async crawl(claim, signals) {
      const url = URL.parse(claim.url);
      if (url === null || url.hostname === '') {
        return { type: 'dead', claim, cause: 'InvalidUrl', message: `"${claim.url}" is not a URL` };
      }
      routes.learn(claim);
      const refused = await refusal(claim, url, signals);
      if (refused !== undefined) return refused;
      await pacer.untilPlace(claim.host, claim, signals.stopping);
      const read = claim.kind === 'Sitemap' ? readSitemap : fetchPage;
      const outcome = await read(claim, url, signals);
      await traps.send(signals.abort);
      return outcome;
    },
  };
}

export type Screenshots = {
  /** Resolves when the picture will last. Rejects with a CrawlError when it cannot be stored. */
  readonly keep: (claim: Claim, picture: Buffer) => Promise<{ readonly name: string; readonly path: string }>;
};

/** What a page's links come to. */
type Links = { readonly links: readonly Discovery[]; readonly leftOut?: LeftOut };

function rulesOf(
  source: CrawlRunSpec['sources'][number],
  { limits }: CrawlRunSpec,
  plan: PagePlan,
  verdicts: Verdicts,
  onTrap: (trap: Trap, url: URL) => void,
) {
  const scope = createScope(source);
  const chooseLinks = createLinkFilter(source, limits, verdicts, onTrap);
  return {
    scope,
    chooseLinks,
    plan: planForSource(plan, source),
    maxItems: source.limits.maxItemsPerPage ?? Number.POSITIVE_INFINITY,
    takesNamedSitemaps: source.sitemapsFromRobots,
    followsCanonical: source.scope.canonical === 'Follow',
  };
}

function requestFor(source: string, url: URL, depth: number): Discovery {
  return { source, url: url.href, host: hostKey(url), depth };
}

/** The request for what the claim's URL led to: it is as far from the start, and the same page of its listing. */
function inPlaceOf({ source, depth, listingPage }: Claim, to: URL, path: readonly string[]): Discovery {
  const listing = listingPage === undefined ? {} : { listingPage };
  return { ...requestFor(source, to, depth), redirects: path, ...listing };
}

function sitemapAt(source: string, url: URL): Discovery {
  return { ...requestFor(source, url, 0), kind: 'Sitemap' };
}

function countsOf(leftOut: LeftOut): { readonly leftOut?: LeftOut } {
  return Object.keys(leftOut).length === 0 ? {} : { leftOut };
}

function tooManyRedirects(claim: Claim, path: readonly string[], facts: FetchFacts): Outcome {
  const isLoop = path.indexOf(path.at(-1) ?? '') < path.length - 1;
  const message = `${isLoop ? 'redirect loop' : 'too many redirects'}: ${path.join(' -> ')}`;
  return { type: 'dead', claim, cause: 'TooManyRedirects', message: message.slice(0, 2_000), facts };
}

function skipped(claim: Claim, reason: SkipReason, facts?: FetchFacts) {
  return { type: 'skipped', claim, reason, ...(facts === undefined ? {} : { facts }) } as const;
}

/** How long the host is left alone after the failure, in milliseconds. */
function hostPause({ cause, retryAfterMs }: Failure, { attempt, blocks = 0 }: Claim): number {
  if (cause === 'Blocked') return Math.max(retryAfterMs ?? 0, REFUSAL_FACTOR * backOffMs(blocks + 1));
  if (cause === 'RateLimited') return retryAfterMs ?? REFUSAL_FACTOR * backOffMs(attempt);
  return cause === 'HttpError' ? (retryAfterMs ?? 0) : 0;
}
