// Additions to the items of a page: what the extractor process finds, and the page's screenshot.

import type { Claim, FetchFacts, ItemData } from '../../gateway/protocol/worker-store.ts';
import type { CrawlRunSpec } from '../../resources/crawl-run.ts';
import { durationMs } from '../../resources/duration.ts';
import type { Extractor } from '../extraction/extractor.ts';
import type { ExtractorAnswer } from '../extraction/extractor-messages.ts';
import { CrawlError, type Failure } from '../failure.ts';
import type { RawPage } from '../html/raw-page.ts';
import { enterStage } from '../page-stage.ts';
import type { Rendered } from '../rendering/renderer.ts';

/** The least time that the extractor gets for a page, however long its fetch took. */
const MIN_EXTRACTOR_MS = 1_000;

export type Screenshots = {
  /** Resolves when the picture is on the disk. Rejects with a CrawlError when it cannot be stored. */
  readonly keep: (claim: Claim, picture: Buffer) => Promise<{ readonly name: string; readonly path: string }>;
};

export function createPageAdditions(options: {
  readonly spec: CrawlRunSpec;
  /** Absent when the spec asks for nothing that it does. */
  readonly extractor?: Extractor;
  /** Absent when the spec asks for none. */
  readonly screenshots?: Screenshots;
}) {
  const { spec, extractor, screenshots } = options;
  const timeoutMs = durationMs(spec.fetch.pageTimeout);

  /** The page's items with what the extractor process adds to them; it has the rest of the page's time. */
  async function extractedFrom(
    { html }: RawPage,
    url: URL,
    items: readonly ItemData[],
    { status, contentType, durationMs: spentMs = 0 }: FetchFacts,
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
      enterStage('Extracting');
      const job = { url: url.href, html, items, wantsText, response };
      return await extractor.extract(job, Math.max(timeoutMs - spentMs, MIN_EXTRACTOR_MS), signal);
    } catch (error) {
      if (error instanceof CrawlError) return { failure: error.failure };
      throw error;
    }
  }

  /** Stores the page's picture and names it in the items; a page without items needs none. */
  async function withScreenshot(
    claim: Claim,
    items: readonly ItemData[],
    { screenshot, facts }: Extract<Rendered, { type: 'page' }>,
  ): Promise<{ readonly items: readonly ItemData[]; readonly facts: FetchFacts } | { readonly failure: Failure }> {
    if (screenshots === undefined || items.length === 0) return { items, facts };
    if (screenshot === undefined) return { items: items.map((item) => ({ ...item, screenshot: null })), facts };
    try {
      enterStage('Screenshot');
      const { name, path } = await screenshots.keep(claim, screenshot);
      return { items: items.map((item) => ({ ...item, screenshot: name })), facts: { ...facts, screenshot: path } };
    } catch (error) {
      if (error instanceof CrawlError) return { failure: error.failure };
      throw error;
    }
  }

  return { extractedFrom, withScreenshot };
}
