// What is read from a document, the same for parsed HTML and for a page in the browser: `readPage` knows documents
// only through `PageDom`, which both provide. It is sent to the browser as text, so it may use nothing around it.
import type { Truncation } from '../../gateway/protocol/worker-store.ts';
import type { PageDom } from './page-dom.ts';
import { createImageReader } from './page-images.ts';
import type { FieldPlan, PagePlan } from './page-plan.ts';
import { createPropertyReader } from './page-properties.ts';
import { createTextReader } from './page-text.ts';
import type { RawPage } from './raw-page.ts';

/** What `readPage` is made of. Each is sent to the browser as a text of its own. */
export const PAGE_PARTS = { createTextReader, createImageReader, createPropertyReader };

export function readPage<Node>(dom: PageDom<Node>, document: Node, plan: PagePlan, parts: typeof PAGE_PARTS): RawPage {
  const { limits } = plan;
  const truncated = new Set<Truncation>();
  const textOf = parts.createTextReader(dom);
  const imageAddress = parts.createImageReader(dom, limits.characters, limits.values);
  const noteProperties = () => truncated.add('StructuredData');
  const propertiesOf = parts.createPropertyReader(dom, document, limits, imageAddress, taken, noteProperties);

  function cutText(text: string, most = limits.characters, what: Truncation = 'Texts'): string {
    if (text.length > most) truncated.add(what);
    return text.slice(0, most);
  }

  function cutList<Entry>(list: Entry[], most: number, what: Truncation): Entry[] {
    if (list.length > most) truncated.add(what);
    return list.slice(0, most);
  }

  /** One character or element more than is kept shows that there is more. */
  function keptText(root: Node, most = limits.characters): string {
    return cutText(textOf(root, most + 1), most);
  }

  function keptElements(root: Node, selector: string, most: number, what: Truncation): Node[] {
    return cutList(selectAll(root, selector, most + 1), most, what);
  }

  /** In shadow trees and frames, too; after what the root's own tree has. */
  function selectAll(root: Node, selector: string, limit: number): Node[] {
    const found = dom.select(root, selector, limit);
    for (const tree of dom.inner(root)) {
      if (found.length >= limit) break;
      for (const element of dom.select(tree, selector, limit - found.length)) found.push(element);
    }
    return found;
  }

  function firstText(selector: string): string {
    const found = selectAll(document, selector, 1)[0];
    return found === undefined ? '' : keptText(found);
  }

  function taken(element: Node, take: FieldPlan['take']): string | null {
    if (take === 'presence') return '';
    if (take === 'text') return keptText(element);
    if (take === 'address') return addressOf(element) ?? keptText(element);
    for (const name of take.attributes) {
      const value = dom.attribute(element, name);
      if (value !== null) return cutText(value.trim());
    }
    return take.orText ? keptText(element) : null;
  }

  function addressOf(element: Node): string | null {
    const address = dom.attribute(element, 'href') ?? imageAddress(element) ?? dom.attribute(element, 'src');
    return address === null ? null : address.trim().slice(0, limits.characters);
  }

  function valuesOf(root: Node, field: FieldPlan): string[] {
    const values: string[] = [];
    const elements = field.multiple
      ? keptElements(root, field.selector, limits.values, 'Values')
      : selectAll(root, field.selector, 1);
    for (const element of elements) {
      const value = taken(element, field.take);
      if (value !== null) values.push(value);
    }
    return values;
  }

  const microdata = { property: 'itemprop', scope: 'itemscope', type: 'itemtype' };
  const rdfa = { property: 'property', scope: 'typeof', type: 'typeof' };

  /** Whole scripts: a part of one could not be parsed. */
  function jsonLdTexts(): string[] {
    const texts: string[] = [];
    let left = limits.jsonLd;
    const scripts = dom.select(document, 'script[type*="ld+json" i]', limits.values + 1);
    for (const script of cutList(scripts, limits.values, 'StructuredData')) {
      if (!/^\s*application\/ld\+json\s*(;|$)/i.test(dom.attribute(script, 'type') ?? '')) continue;
      const text = Array.from(dom.children(script), (node) => dom.characters(node) ?? '').join('');
      if (text.length > left) {
        truncated.add('StructuredData');
        continue;
      }
      left -= text.length;
      texts.push(text);
    }
    return texts;
  }

  function robotsTags(): [string, string][] {
    const pairs: [string, string][] = [];
    const tags = dom.select(document, 'meta[name][content]', limits.values + 1);
    for (const element of cutList(tags, limits.values, 'MetaTags')) {
      const content = (dom.attribute(element, 'content') ?? '').slice(0, 1_000);
      if (/noindex|nofollow|none/i.test(content)) pairs.push([dom.attribute(element, 'name') ?? '', content]);
    }
    return pairs;
  }

  function metaTags(): [string, string][] {
    const tags = dom.select(document, 'meta[content][name], meta[content][property]', limits.values + 1);
    return cutList(tags, limits.values, 'MetaTags').flatMap((element) => {
      // A property may have several names, as in RDFa.
      const property = dom.attribute(element, 'property');
      const names = property?.trim().split(/\s+/, 8) ?? [(dom.attribute(element, 'name') ?? '').trim()];
      const content = cutText((dom.attribute(element, 'content') ?? '').trim());
      return names.map((name): [string, string] => [name.slice(0, limits.characters), content]);
    });
  }

  function imagesOf(root: Node): [string, string][] {
    const images: [string, string][] = [];
    for (const image of keptElements(root, 'img', limits.values, 'Images')) {
      const address = imageAddress(image);
      if (address === null) continue;
      const alt = (dom.attribute(image, 'alt') ?? '').trim();
      images.push([address.slice(0, limits.characters), cutText(alt, limits.linkText)]);
    }
    return images;
  }

  /** In drawings a link may have its address as XLink (SVG 2, 16.7.1). */
  function anchorsIn(root: Node, limit: number): Node[] {
    const anchors = selectAll(root, 'a[href], area[href]', limit);
    const drawn = selectAll(root, 'svg a:not([href])', limit).filter(
      (link) => dom.attribute(link, 'xlink:href') !== null,
    );
    return drawn.length === 0 ? anchors : [...anchors, ...drawn].slice(0, limit);
  }

  function hrefOf(link: Node): string {
    return (dom.attribute(link, 'href') ?? dom.attribute(link, 'xlink:href') ?? '').slice(0, limits.characters);
  }

  function linksOf(root: Node): [string, string][] {
    return cutList(anchorsIn(root, limits.values + 1), limits.values, 'ItemLinks').map((link) => {
      const href = hrefOf(link);
      const text = keptText(link, limits.linkText) || cutText(dom.attribute(link, 'alt') ?? '', limits.linkText);
      return [href, text];
    });
  }

  function languageOf(): string | null {
    const pragma = 'meta[http-equiv="content-language" i][content]';
    const [html] = dom.select(document, 'html[lang]', 1);
    const [meta] = html === undefined ? dom.select(document, pragma, 1) : [];
    const language = html === undefined ? meta && dom.attribute(meta, 'content') : dom.attribute(html, 'lang');
    return (language ?? '').trim().slice(0, 100) || null;
  }

  function nextPage(selector: string): string | null {
    const match = selectAll(document, selector, 1)[0];
    if (match === undefined) return null;
    const link = dom.attribute(match, 'href') === null ? dom.select(match, 'a[href]', 1)[0] : match;
    return link === undefined ? null : (dom.attribute(link, 'href') ?? '').slice(0, limits.characters);
  }

  const links: string[] = [];
  const nofollow: number[] = [];
  const anchors = anchorsIn(document, Number.POSITIVE_INFINITY);
  for (const element of anchors.slice(0, limits.links)) {
    if (/(^|\s)nofollow(\s|$)/i.test(dom.attribute(element, 'rel') ?? '')) nofollow.push(links.length);
    links.push(hrefOf(element));
  }
  const refreshes = dom
    .select(document, 'meta[http-equiv="refresh" i][content]', limits.refreshes)
    .map((element) => (dom.attribute(element, 'content') ?? '').slice(0, limits.characters));
  const canonical = dom.select(document, 'link[rel~="canonical" i][href]', 1)[0];
  const beginning = textOf(document, limits.beginning);
  const isShort = beginning.length < limits.beginning;
  const shown = 'a[href], img, svg, canvas, video, audio, frame, iframe, object, embed';
  const matches =
    plan.itemSelector === null ? [document] : selectAll(document, plan.itemSelector, Number.POSITIVE_INFINITY);
  const roots = matches.slice(0, limits.items);
  const frames = dom.frames(document);
  if (frames.hasMore) truncated.add('Frames');
  return {
    base: dom.base(document),
    language: languageOf(),
    encoding: dom.encoding(document),
    // Drawings have titles of their own, which name no page (HTML, 4.2.2).
    title: firstText('title:not(svg title)'),
    heading: firstText('h1') || firstText('h2') || firstText('h3'),
    links,
    linksLeftOut: Math.max(anchors.length - limits.links, 0),
    nofollow,
    refreshes,
    frames: cutList(frames.addresses, limits.values, 'Frames'),
    canonical: canonical === undefined ? null : dom.attribute(canonical, 'href'),
    next: plan.next === null ? null : nextPage(plan.next),
    robots: robotsTags(),
    beginning,
    signs: isShort ? plan.signs.filter((sign) => dom.select(document, sign, 1).length > 0) : [],
    isEmpty: beginning === '' && dom.select(document, shown, 1).length === 0,
    itemsLeftOut: matches.length - roots.length,
    items: roots.map((root) => plan.fields.map((field) => valuesOf(root, field))),
    microdata: plan.structuredData ? roots.map((root) => propertiesOf(root, microdata)) : [],
    rdfa: plan.structuredData ? roots.map((root) => propertiesOf(root, rdfa)) : [],
    jsonLd: plan.structuredData ? jsonLdTexts() : [],
    meta: plan.structuredData ? metaTags() : [],
    images: plan.images ? roots.map(imagesOf) : [],
    itemLinks: plan.itemLinks ? roots.map(linksOf) : [],
    html: plan.html ? cutText(dom.html(document), limits.html, 'Html') : '',
    // When all of the above has been read.
    truncated: [...truncated],
  };
}
