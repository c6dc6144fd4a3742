// Render mode Auto: pages are fetched by HTTP, and in the browser where that finds more. What a host needs is remembered.
import { type Extraction, hasFailed } from '../extraction/extraction.ts';
import type { RawPage } from '../html/raw-page.ts';
import { hostKey } from '../urls/url.ts';
import type { HostRenderings } from './host-renderings.ts';
import {
  type Evidence,
  evidenceOf,
  firstLook,
  foundMore,
  type HostKnowledge,
  isNews,
  isWorthTheBrowser,
  type Yield,
} from './render-choice.ts';
import type { Rendered, Renderer } from './renderer.ts';

type Page = Extract<Rendered, { type: 'page' }>;

/** Closing it closes both renderers. */
export function createAutoRenderer(options: {
  /** Must look for signs of scripts. */
  readonly http: Renderer;
  readonly browser: Renderer;
  readonly hosts: HostRenderings;
  readonly extraction: Extraction;
  /** Waits for one more place at the host: a page that both renderers fetch is two documents. */
  readonly takePlace: (host: string, signal: AbortSignal) => Promise<void>;
}): Renderer {
  const { http, browser, hosts, extraction, takePlace } = options;

  async function byHttp(...asked: RenderArguments): Promise<Rendered> {
    return marked(await http.render(...asked), 'HTTP');
  }

  async function byBrowser(...asked: RenderArguments): Promise<Rendered> {
    return marked(await browser.render(...asked), 'Browser');
  }

  /** A page of a host that is known to need the browser, fetched by both renderers to check that. */
  async function byBoth(...asked: RenderArguments): Promise<Rendered> {
    const [url, , , signal] = asked;
    const simple = await byHttp(...asked);
    if (simple.type !== 'page') return simple;
    await takePlace(hostKey(url), signal);
    return compared(url, simple, await byBrowser(...asked), 'Strong', signal);
  }

  async function httpFirst(host: HostKnowledge, ...asked: RenderArguments): Promise<Rendered> {
    const [url, , , signal] = asked;
    const simple = await byHttp(...asked);
    if (simple.type !== 'page') return simple;
    const evidence = evidenceOf(simple.signs ?? NO_SIGNS, yieldOf(simple.page, url, extraction));
    if (isWorthTheBrowser(evidence, host)) {
      await takePlace(hostKey(url), signal);
      return compared(url, simple, await byBrowser(...asked), evidence, signal);
    }
    if (evidence === 'None' && isNews(host)) await hosts.learn(hostKey(url), false, signal);
    return simple;
  }

  /** The better of the two; what it shows of the host is remembered. */
  async function compared(
    url: URL,
    simple: Page,
    scripted: Rendered,
    evidence: Evidence,
    signal: AbortSignal,
  ): Promise<Rendered> {
    // A failure of the browser says nothing of the host. A page that is surely an empty shell fails with it, to be retried.
    if (scripted.type === 'failed') return evidence === 'Strong' ? scripted : simple;
    if (scripted.type !== 'page' && scripted.type !== 'redirect') return simple;
    const isBetter =
      scripted.type === 'redirect' ||
      foundMore(yieldOf(scripted.page, url, extraction), yieldOf(simple.page, url, extraction));
    await hosts.learn(hostKey(url), isBetter, signal);
    return isBetter ? scripted : simple;
  }

  return {
    async render(...asked) {
      const [url, , , signal] = asked;
      const host = await hosts.nextPage(hostKey(url), signal);
      switch (firstLook(host)) {
        case 'HTTP':
          return httpFirst(host, ...asked);
        case 'Browser':
          return byBrowser(...asked);
        case 'Both':
          return byBoth(...asked);
      }
    },
    leave: (visit) => browser.leave?.(visit),
    recycle: (how) => browser.recycle?.(how),
    async close() {
      await Promise.all([http.close(), browser.close()]);
    },
  };
}

type RenderArguments = Parameters<Renderer['render']>;

const NO_SIGNS = { scripts: 0, textLength: 0, hasEmptyRoot: false, asksForScripts: false };

function marked(rendered: Rendered, renderedBy: 'HTTP' | 'Browser'): Rendered {
  return { ...rendered, facts: { ...rendered.facts, renderedBy } };
}

function yieldOf(page: RawPage, url: URL, extraction: Extraction): Yield {
  const result = extraction.itemsOf(page, url);
  const amount = textIn(result.items, url.href) + textIn(page.links);
  if (hasFailed(result)) return { isIncomplete: true, isEmpty: true, amount };
  // Some items of a list may lack what scripts put in; others are no such items at all.
  const isEmpty = result.items.length === 0 || result.incomplete !== undefined || page.links.length === 0;
  return { isIncomplete: false, isEmpty, amount };
}

/** Characters of all that the value holds, but for the page's own URL, which says nothing of the page. */
function textIn(value: unknown, ownUrl?: string): number {
  if (value === null || value === false || value === ownUrl) return 0;
  if (typeof value === 'object') return Object.values(value).reduce((sum, inner) => sum + textIn(inner, ownUrl), 0);
  return String(value).length;
}
