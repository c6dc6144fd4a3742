// From a loaded page to its outcome: applies its directives, chooses its links, extracts its items and adds to them.

import type {
  Claim,
  FetchFacts,
  ItemData,
  ItemLeftOutReason,
  Outcome,
  PageLinks,
  Validators,
} from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { productToken } from '../discovery/robots.ts';
import { type Extraction, hasFailed } from '../extraction/extraction.ts';
import type { Extractor } from '../extraction/extractor.ts';
import type { Failure } from '../failure.ts';
import { directivesOf } from '../html/page-directives.ts';
import { enterStage } from '../page-stage.ts';
import type { Rendered } from '../rendering/renderer.ts';
import { withTruncations } from '../rendering/truncations.ts';
import type { FailPage } from './failed-page.ts';
import { itemsLeftOut, skipped } from './outcomes.ts';
import { createPageAdditions, type Screenshots } from './page-additions.ts';
import { createPageLinks } from './page-links.ts';
import type { PageMemory } from './page-memory.ts';
import type { SourceRules } from './source-rules.ts';

type Page = Extract<Rendered, { type: 'page' }>;

/** What a page gives: read from it now, or kept from the run before. */
export type PageContent = {
  readonly items: readonly ItemData[];
  readonly links: PageLinks;
  /** The beginning of what it says; absent where it was not read now. */
  readonly text?: string;
};

/** How many items are left out by reason, and those that stay, or why the page has failed. */
type PageItems = { readonly leftOut: Readonly<Record<ItemLeftOutReason, number>> } & (
  | { readonly items: readonly ItemData[]; readonly links: readonly string[]; readonly facts: FetchFacts }
  | { readonly failure: Failure }
);

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
    enterStage('Reading');
    const { page, validators, facts } = rendered;
    const directives = obeysMeta ? directivesOf(page.robots, rendered.robotsHeaders, product) : undefined;
    const links = linksToFollow(page, url, directives?.nofollow ?? false);
    const text = `${page.title} ${page.beginning}`;
    const canonical = canonicalOf(claim, url, page);
    if (canonical !== undefined) {
      const found = linksOf(claim, url, links, text);
      return { ...skipped(claim, 'Canonical', facts), ...found, links: [canonical, ...found.links] };
    }
    if (directives?.noindex) return { ...skipped(claim, 'NoIndex', facts), ...linksOf(claim, url, links, text) };
    const result = await itemsFrom(claim, url, rendered, signal);
    if ('failure' in result) {
      const failed = await failPage(claim, result.failure, facts, signal);
      return { ...failed, ...linksOf(claim, url, links, text), ...itemsLeftOut(failed, result.leftOut) };
    }
    const references = directives?.nofollow ? links.references : [...links.references, ...result.links];
    const content = { items: result.items, links: { ...links, references }, text };
    // Without validators the next run reads the page anew: what broke off may be whole then, and what is cut is counted there, too.
    const kept = result.facts.truncated === undefined ? validators : undefined;
    const outcome = done(claim, url, content, result.facts, kept);
    return { ...outcome, ...itemsLeftOut(outcome, result.leftOut) };
  }

  /** What the page gives: by its fields, then with what the extractor adds, then with its picture. */
  async function itemsFrom(claim: Claim, url: URL, rendered: Page, signal: AbortSignal): Promise<PageItems> {
    const { page, facts } = rendered;
    const read = extraction.itemsOf(page, url);
    const leftOut = { MissingField: read.incomplete?.items ?? 0, TooManyItems: page.itemsLeftOut };
    if (hasFailed(read)) {
      const message = `the page has no ${read.incomplete?.missing}, which is required`;
      return { leftOut, failure: { cause: 'MissingField', message, retryable: false } };
    }
    const extracted = await extractedFrom(page, url, read.items, facts, signal);
    if ('failure' in extracted) return { leftOut, ...extracted };
    const taken = extracted.items.slice(0, sources.get(claim.source)?.maxItems);
    leftOut.TooManyItems += extracted.items.length - taken.length;
    const cut = [...page.truncated, ...(read.truncated ?? []), ...(extracted.isTextCut ? (['MainText'] as const) : [])];
    const pictured = await withScreenshot(claim, taken, { ...rendered, facts: withTruncations(facts, cut) });
    return 'failure' in pictured ? { leftOut, ...pictured } : { leftOut, links: extracted.links, ...pictured };
  }

  function done(
    claim: Claim,
    url: URL,
    { items, links, text }: PageContent,
    facts: FetchFacts,
    validators: Validators | undefined,
  ): Outcome {
    // Validators of another URL, to which this one led, say nothing of this one.
    const page = memory?.entryOf(claim, url.href === claim.url ? validators : undefined, links);
    return { type: 'done', claim, items, facts, ...linksOf(claim, url, links, text), ...(page ? { page } : {}) };
  }

  return { read, done };
}
