// What a loaded page comes to: its directives are heard, its links chosen, its items extracted and added to.
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import type { Claim, FetchFacts, ItemData, Outcome, PageLinks, Validators } from '../../store/worker-store.ts';
import { productToken } from '../discovery/robots.ts';
import type { Extraction } from '../extraction/extraction.ts';
import type { Extractor } from '../extraction/extractor.ts';
import { directivesOf } from '../html/page-directives.ts';
import type { Rendered } from '../rendering/renderer.ts';
import type { FailPage } from './failed-page.ts';
import { skipped } from './outcomes.ts';
import { createPageAdditions, type Screenshots } from './page-additions.ts';
import { createPageLinks } from './page-links.ts';
import type { PageMemory } from './page-memory.ts';
import type { SourceRules } from './source-rules.ts';

type Page = Extract<Rendered, { type: 'page' }>;

/** What a page gives: read from it now, or kept from the run before. */
export type PageContent = { readonly items: readonly ItemData[]; readonly links: PageLinks };

export type PageReading = {
  /** The outcome of a page that has been loaded. */
  readonly read: (claim: Claim, url: URL, rendered: Page, signal: AbortSignal) => Promise<Outcome>;
  /**
   * The outcome of a page with its content known.
   * @param validators of the version that the content is of
   */
  readonly done: (
    claim: Claim,
    url: URL,
    content: PageContent,
    facts: FetchFacts,
    validators: Validators | undefined,
  ) => Outcome;
};

export function createPageReading(options: {
  readonly spec: CrawlRunSpec;
  readonly sources: ReadonlyMap<string, SourceRules>;
  readonly extraction: Extraction;
  readonly failPage: FailPage;
  readonly memory?: PageMemory;
  readonly extractor?: Extractor;
  readonly screenshots?: Screenshots;
}): PageReading {
  const { spec, sources, extraction, failPage, memory } = options;
  const { linksToFollow, canonicalOf, linksOf } = createPageLinks(spec, sources);
  const { extractedFrom, withScreenshot } = createPageAdditions(options);
  const product = productToken(spec.fetch.userAgent);
  const obeysMeta = spec.politeness.robotsMeta === 'Obey';

  async function read(claim: Claim, url: URL, rendered: Page, signal: AbortSignal): Promise<Outcome> {
    const { page, validators, facts } = rendered;
    const directives = obeysMeta ? directivesOf(page.robots, rendered.robotsHeaders, product) : undefined;
    const links = linksToFollow(page, url, directives?.nofollow ?? false);
    const canonical = canonicalOf(claim, url, page);
    if (canonical !== undefined) {
      const found = linksOf(claim, url, links);
      return { ...skipped(claim, 'Canonical', facts), ...found, links: [canonical, ...found.links] };
    }
    if (directives?.noindex) return { ...skipped(claim, 'NoIndex', facts), ...linksOf(claim, url, links) };
    const result = extraction.itemsOf(page, url);
    if ('missing' in result) {
      const message = `the page has no ${result.missing}, which is required`;
      return { type: 'dead', claim, cause: 'MissingField', message, facts };
    }
    const extracted = await extractedFrom(page, url, result.items, facts, signal);
    if ('failure' in extracted) return failPage(claim, extracted.failure, facts, signal);
    const taken = extracted.items.slice(0, sources.get(claim.source)?.maxItems);
    const pictured = await withScreenshot(claim, taken, rendered);
    if ('failure' in pictured) return failPage(claim, pictured.failure, facts, signal);
    const { items } = pictured;
    const references = directives?.nofollow ? links.references : [...links.references, ...extracted.links];
    return done(claim, url, { items, links: { ...links, references } }, pictured.facts, validators);
  }

  function done(
    claim: Claim,
    url: URL,
    { items, links }: PageContent,
    facts: FetchFacts,
    validators: Validators | undefined,
  ): Outcome {
    // Validators of another URL, to which this one led, say nothing of this one.
    const page = memory?.entryOf(claim, url.href === claim.url ? validators : undefined, links);
    return { type: 'done', claim, items, facts, ...linksOf(claim, url, links), ...(page ? { page } : {}) };
  }

  return { read, done };
}
