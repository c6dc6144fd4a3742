// The text that is evaluated in a page of the browser: `readPage` over the browser's own document.
import { z } from 'zod';
import { TRUNCATIONS } from '../../gateway/protocol/worker-store.ts';
import { showsPage } from '../html/embedded-pages.ts';
import type { PageDom } from '../html/page-dom.ts';
import type { PagePlan } from '../html/page-plan.ts';
import type { RawPage } from '../html/raw-page.ts';
import { PAGE_PARTS, readPage } from '../html/read-page.ts';

/** The few members of browser nodes that are used; this project is not compiled against the DOM. */
type BrowserNode = {
  readonly nodeType: number;
  readonly localName?: string;
  /** Of a text; of an object the address of what it shows. */
  readonly data?: string;
  readonly childNodes: ArrayLike<BrowserNode>;
  readonly parentNode: BrowserNode | null;
  readonly ownerDocument?: BrowserNode | null;
  /** Of an element; null where it is closed. */
  readonly shadowRoot?: BrowserNode | null;
  /** Of a shadow tree. */
  readonly host?: BrowserNode;
  /** Of a frame; null where it may not be looked into. */
  readonly contentDocument?: BrowserNode | null;
  /** Of a document, as the next one. */
  readonly characterSet?: string;
  readonly documentElement?: { readonly outerHTML: string } | null;
  readonly baseURI?: string;
  readonly URL?: string;
  readonly src?: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<BrowserNode>;
};

/**
 * Sent to the browser as text, as `readPage` is: it may use nothing around it. It runs in a world of its own, so that
 * nothing that the page has done to the language's objects is seen.
 * @param site the registrable domain of the page, or its address
 * @param isPage see showsPage
 */
function browserDom(top: BrowserNode, site: string, isPage: typeof showsPage): PageDom<BrowserNode> {
  /** Elements with a name are properties of forms and documents, before those of the DOM. */
  function member<Name extends keyof BrowserNode>(node: BrowserNode, name: Name): BrowserNode[Name] {
    const type = Object.prototype.toString.call(node);
    const mayBeHidden = type === '[object HTMLFormElement]' || type === '[object HTMLDocument]';
    return mayBeHidden ? Reflect.get(Object.getPrototypeOf(node), name, node) : node[name];
  }

  function all(root: BrowserNode, selector: string): BrowserNode[] {
    return Array.from(member(root, 'querySelectorAll').call(root, selector));
  }

  function isOfSite(document: BrowserNode): boolean {
    const url = member(document, 'URL') ?? '';
    // What the page itself wrote into the frame.
    if (/^about:(blank|srcdoc)/.test(url)) return true;
    const host = /^https?:\/\/([^/:?#]*|\[[^\]]*\])/.exec(url)?.[1] ?? '';
    return host === site || host.endsWith(`.${site}`);
  }

  /** The address of what a frame, an object or an embed shows; null of all that shows no page. */
  function frameAddress(element: BrowserNode): string | null {
    const name = element.localName;
    if (name === 'iframe' || name === 'frame') return element.src ?? '';
    if (name !== 'object' && name !== 'embed') return null;
    const address = (name === 'object' ? element.data : element.src) ?? '';
    return isPage(element.getAttribute('type'), address) ? address : null;
  }

  /** The document that a frame shows, if that is one of the same site. */
  function frameDocument(frame: BrowserNode, address: string): BrowserNode | undefined {
    const document = frame.contentDocument ?? null;
    if (document === null || !isOfSite(document)) return undefined;
    if (member(document, 'URL') !== 'about:blank') return document;
    const isUnloaded = /^https?:/i.test(address);
    // Nobody has written into it: its <html> and <body> are no part of the page.
    const isEmpty = member(document, 'documentElement')?.outerHTML === '<html><head></head><body></body></html>';
    return isUnloaded || isEmpty ? undefined : document;
  }

  type Inner = { readonly tree: BrowserNode; readonly host: BrowserNode };
  const inner: Inner[] = [];
  const unread: string[] = [];
  // A page that puts itself into frames of its own has no end.
  const MAX_TREES = 1_000;
  let hasMore = false;
  const pending = [top];
  for (let tree = pending.shift(); tree !== undefined && !hasMore; tree = pending.shift()) {
    const isBeyond = inner.length >= MAX_TREES;
    for (const element of all(tree, '*')) {
      const shadow = element.shadowRoot ?? null;
      const address = frameAddress(element);
      if (isBeyond) {
        hasMore ||= shadow?.nodeType === 11 || (address !== null && address !== '');
        continue;
      }
      const content = address === null ? undefined : frameDocument(element, address);
      if (address !== null && content === undefined && /^https?:/i.test(address)) unread.push(address);
      // A form's field may be named so.
      for (const found of [shadow, content]) {
        if (!found || (found.nodeType !== 11 && found.nodeType !== 9)) continue;
        inner.push({ tree: found, host: element });
        pending.push(found);
      }
    }
  }

  /** Whether the node is in the root, or in a tree that is. */
  function isWithin(node: BrowserNode, root: BrowserNode): boolean {
    let above: BrowserNode | null = node;
    while (above !== null) {
      if (above === root) return true;
      const place: BrowserNode = above;
      above = member(place, 'parentNode') ?? inner.find(({ tree }) => tree === place)?.host ?? null;
    }
    return false;
  }

  return {
    select: (root, selector, limit) => all(root, selector).slice(0, limit),
    inner: (root) => inner.filter(({ host }) => root === top || isWithin(host, root)).map(({ tree }) => tree),
    frames: () => ({ addresses: unread, hasMore }),
    base: (document) => member(document, 'baseURI') ?? null,
    attribute(element, name) {
      const value = member(element, 'getAttribute').call(element, name);
      const document = member(element, 'ownerDocument') ?? top;
      // A reference of a frame is relative to the frame's own address.
      if (value === null || document === top || !/^(href|action|data|poster|cite|(data-)?(\w+-)?src)$/.test(name))
        return value;
      return URL.parse(value, member(document, 'baseURI'))?.href ?? value;
    },
    tag: (node) => (member(node, 'nodeType') === 1 ? (member(node, 'localName') ?? '') : null),
    characters: (node) => (node.nodeType === 3 || node.nodeType === 4 ? (node.data ?? '') : null),
    children(node) {
      const children = member(node, 'childNodes');
      const shadow =
        inner.length === 0 ? undefined : inner.find(({ host, tree }) => host === node && tree.nodeType === 11);
      return shadow === undefined ? children : [...Array.from(shadow.tree.childNodes), ...Array.from(children)];
    },
    parent: (node) => member(node, 'parentNode'),
    html: (document) => member(document, 'documentElement')?.outerHTML ?? '',
    encoding: (document) => member(document, 'characterSet') ?? 'UTF-8',
  };
}

/**
 * An expression whose value is the page as JSON: one string crosses over faster than a tree of values. Bundlers that
 * keep function names call a helper of theirs, which does not exist in the page.
 * @param site whose frames are read with the page: its registrable domain, or its address
 */
export function pageScript(plan: PagePlan, site: string): string {
  return `(() => {
    const __name = (value) => value;
    const dom = (${browserDom.toString()})(document, ${JSON.stringify(site)}, ${showsPage.toString()});
    return JSON.stringify((${readPage.toString()})(dom, document, ${JSON.stringify(plan)}, ${partsText}));
  })()`;
}

const partsText = `{ ${Object.entries(PAGE_PARTS)
  .map(([name, part]) => `${name}: ${part.toString()}`)
  .join(', ')} }`;

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
  frames: z.array(z.string()),
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
  truncated: z.array(z.enum(TRUNCATIONS)),
});

/** The page's process may be in the hands of the page: nothing is taken for granted. */
export function parseRawPage(json: unknown): RawPage {
  if (typeof json !== 'string') throw new TypeError('the page gave no text');
  return rawPage.parse(JSON.parse(json));
}
