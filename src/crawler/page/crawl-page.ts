// One request from claim to outcome: ask robots.txt, wait for its place on the host, fetch, extract, find links.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import type {
  Claim,
  FetchFacts,
  ItemData,
  Outcome,
  PageLinks,
  Validators,
  WorkerStore,
} from '../../store/worker-store.ts';
import { blockedBy } from '../blocking/blocked.ts';
import { createHostHistory } from '../blocking/host-history.ts';
import { productToken } from '../discovery/robots.ts';
import type { RobotsGate } from '../discovery/robots-gate.ts';
import type { SitemapReader } from '../discovery/sitemap-reader.ts';
import type { TrapReports } from '../discovery/trap-reports.ts';
import { createExtraction } from '../extraction/extraction.ts';
import type { Extractor } from '../extraction/extractor.ts';
import { directivesOf } from '../html/page-directives.ts';
import type { HostPacer } from '../network/host-pacer.ts';
import type { Routes } from '../network/routes.ts';
import type { Rendered, Renderer } from '../rendering/renderer.ts';
import { hostKey } from '../urls/url.ts';
import { createFailPage } from './failed-page.ts';
import type { HostReports } from './host-reports.ts';
import { MAX_REDIRECTS, skipped, tooManyRedirects } from './outcomes.ts';
import { createPageAdditions, type Screenshots } from './page-additions.ts';
import { createPageLinks } from './page-links.ts';
import type { PageMemory } from './page-memory.ts';
import { inPlaceOf } from './requests.ts';
import { createSitemapClaims } from './sitemap-claim.ts';
import { createSourceRules } from './source-rules.ts';

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
  const { spec, store, reports, traps, routes, renderer, robots, sitemaps, memory, pacer } = options;
  const extraction = createExtraction(spec.extract);
  const sources = createSourceRules(spec, extraction.plan, traps.noticed);
  const { linksToFollow, canonicalOf, linksOf } = createPageLinks(spec, sources);
  const { extractedFrom, withScreenshot } = createPageAdditions(options);
  const failPage = createFailPage(options);
  const { addNamedSitemaps, readSitemap } = createSitemapClaims({ sources, store, sitemaps, failPage });
  const product = productToken(spec.fetch.userAgent);
  const obeysMeta = spec.politeness.robotsMeta === 'Obey';
  const timeoutMs = durationMs(spec.fetch.pageTimeout);
  const history = createHostHistory();

  /** What keeps the page from being fetched, if anything. */
  async function refusal(claim: Claim, url: URL, signals: CrawlSignals): Promise<Outcome | undefined> {
    if (robots === undefined) return undefined;
    const answer = await robots.check(url, signals.abort);
    if ('failure' in answer) return failPage(claim, answer.failure, undefined, signals.abort);
    await addNamedSitemaps(claim, url, answer.sitemaps, signals.abort);
    if (!answer.allowed) return skipped(claim, 'RobotsDisallowed');
    return undefined;
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
    if ('failure' in extracted) return failPage(claim, extracted.failure, facts, signals.abort);
    const taken = extracted.items.slice(0, sources.get(claim.source)?.maxItems);
    const pictured = await withScreenshot(claim, taken, rendered);
    if ('failure' in pictured) return failPage(claim, pictured.failure, facts, signals.abort);
    const { items } = pictured;
    const references = asked?.nofollow ? links.references : [...links.references, ...extracted.links];
    return kept(claim, url, { items, links: { ...links, references } }, pictured.facts, validators);
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
        if (evidence !== undefined) return failPage(claim, blockedBy(evidence), rendered.facts, signals.abort);
        await reports.answered(claim, signals.abort);
        return done(claim, url, rendered, signals);
      }
      case 'notHtml':
        return skipped(claim, 'NotHtml', rendered.facts);
      case 'failed': {
        const evidence = rendered.facts.status === 403 ? history.forbidden(claim.host) : undefined;
        const failure = evidence === undefined ? rendered.failure : blockedBy(evidence);
        return failPage(claim, failure, rendered.facts, signals.abort);
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
      const outcome = await (claim.kind === 'Sitemap'
        ? readSitemap(claim, url, signals.abort)
        : fetchPage(claim, url, signals));
      await traps.send(signals.abort);
      return outcome;
    },
  };
}
