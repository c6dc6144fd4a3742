// The text that is evaluated in a page of the browser: `readPage` over the browser's own document.
import { z } from 'zod';
import { type PageDom, type PagePlan, type RawPage, readPage } from '../html/read-page.ts';

/** The few members of browser nodes that are used; this project is not compiled against the DOM. */
type BrowserNode = {
  readonly nodeType: number;
  readonly localName?: string;
  readonly data?: string;
  readonly childNodes: ArrayLike<BrowserNode>;
  readonly parentNode: BrowserNode | null;
  /** Of a document, as the next one. */
  readonly characterSet?: string;
  readonly documentElement?: { readonly outerHTML: string } | null;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<BrowserNode>;
};

/** Sent to the browser as text, as `readPage` is: it may use nothing around it. */
function browserDom(): PageDom<BrowserNode> {
  return {
    select: (root, selector, limit) => Array.from(root.querySelectorAll(selector)).slice(0, limit),
    attribute: (element, name) => element.getAttribute(name),
    tag: (node) => (node.nodeType === 1 ? (node.localName ?? '') : null),
    characters: (node) => (node.nodeType === 3 || node.nodeType === 4 ? (node.data ?? '') : null),
    children: (node) => node.childNodes,
    parent: (node) => node.parentNode,
    encoding: (document) => document.characterSet ?? 'UTF-8',
    html: (document) => document.documentElement?.outerHTML ?? '',
  };
}

/**
 * An expression whose value is the page as JSON: one string crosses over faster than a tree of values. Bundlers that
 * keep function names call a helper of theirs, which does not exist in the page.
 */
export function pageScript(plan: PagePlan): string {
  return `(() => {
    const __name = (value) => value;
    return JSON.stringify((${readPage.toString()})((${browserDom.toString()})(), document, ${JSON.stringify(plan)}));
  })()`;
}

const pair = z.tuple([z.string(), z.string()]);

const property = z.object({ scope: z.int(), names: z.string(), type: z.string().nullable(), value: z.string() });

const rawPage = z.object({
  base: z.string().nullable(),
  language: z.string().nullable(),
  encoding: z.string(),
  title: z.string(),
  heading: z.string(),
  links: z.array(z.string()),
  linksLeftOut: z.int().min(0),
  nofollow: z.array(z.int().min(0)),
  refreshes: z.array(z.string()),
  canonical: z.string().nullable(),
  next: z.string().nullable(),
  robots: z.array(z.tuple([z.string(), z.string()])),
  beginning: z.string(),
  signs: z.array(z.string()),
  isEmpty: z.boolean(),
  itemsLeftOut: z.int().min(0),
  items: z.array(z.array(z.array(z.string()))),
  microdata: z.array(z.array(property)),
  rdfa: z.array(z.array(property)),
  jsonLd: z.array(z.string()),
  meta: z.array(pair),
  images: z.array(z.array(pair)),
  itemLinks: z.array(z.array(pair)),
  html: z.string(),
});

/** The script ran among the page's own, which may have changed everything it used: nothing is taken for granted. */
export function parseRawPage(json: unknown): RawPage {
  if (typeof json !== 'string') throw new TypeError('the page gave no text');
  return rawPage.parse(JSON.parse(json));
}
