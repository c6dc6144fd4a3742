// Reads the document that a tab shows, in a world of its own: what the page did to the language's objects is not there.
import { setTimeout as sleep } from 'node:timers/promises';
import { pageUnreadable } from '../failure.ts';
import type { DecodedText } from '../html/charset.ts';
import type { PagePlan } from '../html/page-plan.ts';
import { withEncodedQueries } from '../html/page-references.ts';
import type { RawPage } from '../html/raw-page.ts';
import { registrableDomain } from '../urls/scope.ts';
import type { Session } from './devtools.ts';
import type { PageActivity } from './page-activity.ts';
import { TIMERS_DUE } from './page-hooks.ts';
import { pageScript, parseRawPage } from './page-script.ts';
import { nextLook, quietSoFar } from './quiet.ts';

const WORLD = 'trawler';

/** Documents without any of these are what they are when they have loaded. */
const SCRIPTED = 'script:not([type*="json" i]), iframe, frame, body[onload]';

/**
 * What the document is, as one of `ShownDocument`. XML that is no page is shown as a tree of its elements, within a page of
 * Chromium's own, and XML that is not well formed as an account of its first error, before what stands ahead of that.
 */
const WHAT_IS_SHOWN = `(() => {
  const { contentType, documentElement: root } = document;
  if (contentType === 'text/html') return 'Page';
  if (!contentType.endsWith('/xml') && !contentType.endsWith('+xml')) return 'NoPage';
  if (Document.prototype.querySelector.call(document, 'parsererror > h3 + div') !== null) return 'BrokenXml';
  if (contentType === 'application/xhtml+xml') return 'Page';
  const isHtml = root?.localName === 'html' && root.namespaceURI === 'http://www.w3.org/1999/xhtml';
  return isHtml && document.getElementById('webkit-xml-viewer-source-xml') === null ? 'Page' : 'NoPage';
})()`;

export type ShownDocument = 'Page' | 'NoPage' | 'BrokenXml';

export type PageReader = {
  /** What the plan asks for. Rejects with a CrawlError when it cannot be read. */
  readonly read: (plan: PagePlan) => Promise<RawPage>;
  /** The same, when the page's scripts have come to rest. @param isBusy whether something else is still under way */
  readonly readQuiet: (plan: PagePlan, isBusy: () => boolean) => Promise<RawPage>;
  /** What the browser takes the document for; no page is text, a picture, or XML of another kind. */
  readonly whatIsShown: () => Promise<ShownDocument>;
  /** The document as it was sent. */
  readonly source: () => Promise<DecodedText>;
  /** Whether the document has been parsed to its end. */
  readonly isParsed: () => Promise<boolean>;
};

/** For the document that the main frame shows now. */
export async function createPageReader(
  session: Session,
  frameId: string,
  url: URL,
  activity: PageActivity,
): Promise<PageReader> {
  const site = registrableDomain(url);
  const loadedAt = performance.now();
  // Frames of the same site have other origins, which this world may look into.
  const world = { frameId, worldName: WORLD, grantUniveralAccess: true };
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', world);

  async function evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails: thrown } = await session.send('Runtime.evaluate', {
      ...{ expression, contextId, returnByValue: true },
    });
    if (thrown !== undefined) throw pageUnreadable(thrown.exception?.description ?? thrown.text);
    return result.value;
  }

  async function timersDue(): Promise<number> {
    const { result } = await session.send('Runtime.evaluate', { expression: TIMERS_DUE, returnByValue: true });
    return typeof result.value === 'number' ? result.value : 0;
  }

  async function untilQuiet(plan: PagePlan, isBusy: () => boolean): Promise<void> {
    const look = lookScript(plan);
    let quietMs = 0;
    let lookedAt = performance.now();
    for (;;) {
      const [seen, timerMs] = await Promise.all([evaluate(look), timersDue()]);
      const [unchangedMs, hasWanted] = Array.isArray(seen) ? (seen as unknown[]) : [];
      const now = performance.now();
      quietMs = quietSoFar(quietMs, now - lookedAt, Number(unchangedMs) || 0);
      lookedAt = now;
      const waitMs = nextLook({
        hasWanted: hasWanted === true,
        isLoading: activity.isLoading() || isBusy(),
        timerMs,
        unchangedMs: quietMs,
        hasSources: activity.hasSources(),
        elapsedMs: performance.now() - loadedAt,
      });
      if (waitMs === 0) return;
      await sleep(waitMs);
    }
  }

  return {
    async read(plan) {
      return parsed(await evaluate(pageScript(plan, site)));
    },
    async readQuiet(plan, isBusy) {
      const script = pageScript(plan, site);
      const isStatic = `Document.prototype.querySelector.call(document, ${JSON.stringify(SCRIPTED)}) === null`;
      // Most documents without scripts cost no more than this one question.
      const json = activity.isLoading() || isBusy() ? '' : await evaluate(`${isStatic} ? ${script} : ''`);
      if (json !== '') return parsed(json);
      await untilQuiet(plan, isBusy);
      return parsed(await evaluate(script));
    },
    async whatIsShown() {
      const shown = await evaluate(WHAT_IS_SHOWN);
      return shown === 'Page' || shown === 'BrokenXml' ? shown : 'NoPage';
    },
    async source() {
      const shownUrl = String(await evaluate(`document.URL.replace(/#.*/, '')`));
      const encoding = String(await evaluate('document.characterSet'));
      const { content } = await session.send('Page.getResourceContent', { frameId, url: shownUrl });
      return { text: content, encoding };
    },
    isParsed: async () => (await evaluate(`document.readyState !== 'loading'`)) === true,
  };
}

/** An expression: for how many milliseconds the document is as it is, and whether all that is wanted is there. */
function lookScript({ itemSelector, fields }: PagePlan): string {
  const selectors = JSON.stringify(fields.map(({ selector }) => selector));
  const isThere =
    itemSelector === null && fields.length === 0
      ? `find(document, 'h1, h2, h3')?.textContent.trim().length > 0`
      : `item !== null && ${selectors}.every((selector) => find(item, selector) !== null)`;
  return `(() => {
    const find = (root, selector) =>
      (root === document ? Document : Element).prototype.querySelector.call(root, selector);
    if (globalThis.changedAt === undefined) {
      globalThis.changedAt = performance.now();
      new MutationObserver(() => { globalThis.changedAt = performance.now(); })
        .observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ['href', 'src'] });
    }
    const item = ${itemSelector === null ? 'document' : `find(document, ${JSON.stringify(itemSelector)})`};
    return [performance.now() - globalThis.changedAt, ${isThere}];
  })()`;
}

function parsed(json: unknown): RawPage {
  try {
    return withEncodedQueries(parseRawPage(json));
  } catch (error) {
    throw pageUnreadable(error);
  }
}
