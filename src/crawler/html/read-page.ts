// What is read from a document, the same for parsed HTML and for a page in the browser: `readPage` knows documents
// only through `PageDom`, which both provide. It is sent to the browser as text, so it may use nothing around it.

/** One field of an item, as `readPage` takes it. */
export type FieldPlan = {
  readonly selector: string;
  /**
   * `text`, `presence` (an empty string for each match), `address` (of a link or an image, else the text), or the first of
   * these attributes, else the text.
   */
  readonly take: 'text' | 'presence' | 'address' | { readonly attributes: readonly string[]; readonly orText: boolean };
  readonly multiple: boolean;
};

export type PagePlan = {
  /** Each match is an item; null: the page is one item. */
  readonly itemSelector: string | null;
  readonly fields: readonly FieldPlan[];
  /** Whether JSON-LD, microdata and meta tags are read. */
  readonly structuredData: boolean;
  /** Whether the images and the links of each item are read, and the HTML of the whole page. */
  readonly images: boolean;
  readonly itemLinks: boolean;
  readonly html: boolean;
  /** Of the page as the browser shows it; null: none is taken. */
  readonly screenshot: 'PNG' | 'JPEG' | null;
  /** What is or holds the link to the next page; null: it is not looked for. */
  readonly next: string | null;
  /** Selectors of what tells a challenge from a page; looked for in documents with little text alone. */
  readonly signs: readonly string[];
  readonly limits: {
    readonly links: number;
    readonly items: number;
    readonly refreshes: number;
    /** Of JSON-LD on the whole page, in characters. */
    readonly jsonLd: number;
    /** Of one field. */
    readonly values: number;
    /** Of one value. */
    readonly characters: number;
    /** Of the beginning. */
    readonly beginning: number;
    /** Of a link's text, in characters. */
    readonly linkText: number;
    /** Of the page's HTML, in characters. */
    readonly html: number;
  };
};

/** What was found, as text: types and URLs are made of it later, outside of the browser. */
export type RawPage = {
  /** What references are relative to: the `href` of the first `<base>`, or the whole URL where a browser says so. */
  readonly base: string | null;
  /** The page's language as it says (HTML, 3.2.6.2), perhaps malformed. */
  readonly language: string | null;
  /** The name of the document's encoding, such as `windows-1251`. */
  readonly encoding: string;
  readonly title: string;
  /** The first `<h1>`; without one the first `<h2>`, or `<h3>`. */
  readonly heading: string;
  readonly links: readonly string[];
  /** Links beyond the plan's bound. */
  readonly linksLeftOut: number;
  /** Positions in `links` of those that the page does not vouch for (`rel=nofollow`). */
  readonly nofollow: readonly number[];
  /** The content of each `<meta http-equiv=refresh>`, see refresh.ts. */
  readonly refreshes: readonly string[];
  /** Documents of frames that are not a part of what was read. */
  readonly frames: readonly string[];
  /** The first `<link rel=canonical>`. */
  readonly canonical: string | null;
  /** The `href` of the link to the next page. */
  readonly next: string | null;
  /** Name and content of meta tags that may hold rules for crawlers. */
  readonly robots: readonly (readonly [string, string])[];
  /** The first of the document's text, its title included. */
  readonly beginning: string;
  /** The signs of the plan that were found. */
  readonly signs: readonly string[];
  /** Whether a visitor would see nothing at all. */
  readonly isEmpty: boolean;
  /** For each item the values of each field, in the order of the plan. */
  readonly items: readonly (readonly (readonly string[])[])[];
  /** Items beyond the plan's bound. */
  readonly itemsLeftOut: number;
  /** For each item its microdata, in document order; nothing without `structuredData`, as the next two. */
  readonly microdata: readonly (readonly RawProperty[])[];
  /** The same for RDFa. */
  readonly rdfa: readonly (readonly RawProperty[])[];
  /** The text of each JSON-LD script. */
  readonly jsonLd: readonly string[];
  /** `name` or `property` and `content` of meta tags. */
  readonly meta: readonly (readonly [string, string])[];
  /** For each item the address and the `alt` of its images. */
  readonly images: readonly (readonly (readonly [string, string])[])[];
  /** For each item the address and the text of its links. */
  readonly itemLinks: readonly (readonly (readonly [string, string])[])[];
  readonly html: string;
};

/** What is read of an answer that is no page: enough to tell what it is. */
export function withoutContent(plan: PagePlan): PagePlan {
  return { ...plan, fields: [], structuredData: false, images: false, itemLinks: false, html: false };
}

/** An element with `itemprop`, `itemscope` or both; of RDFa, with `property`, `typeof` or both. */
export type RawProperty = {
  /** Index in the list of the scope that it belongs to, which may come later; -1 without a scope within the item. */
  readonly scope: number;
  /** As written: names between spaces. Empty for an `itemscope` that is nobody's property. */
  readonly names: string;
  /** The type, perhaps empty, of an element that is a scope; null for any other. */
  readonly type: string | null;
  readonly value: string;
};

/** The little that has to be known of a document. */
export type PageDom<Node> = {
  /** Descendants in the root's own tree that match, in document order; `limit` at most. */
  readonly select: (root: Node, selector: string, limit: number) => Node[];
  /** Trees within the root that its selectors do not reach: open shadow trees, documents of frames of the same site. */
  readonly inner: (root: Node) => readonly Node[];
  /** The documents of the other frames, as references of this document. */
  readonly frames: (document: Node) => readonly string[];
  /** What the document's references are relative to, as far as it says. */
  readonly base: (document: Node) => string | null;
  readonly attribute: (element: Node, name: string) => string | null;
  /** Lower-case tag name; null for what is no element. */
  readonly tag: (node: Node) => string | null;
  /** The characters of a text node; null for any other. */
  readonly characters: (node: Node) => string | null;
  /** With those of its shadow tree, which come first. */
  readonly children: (node: Node) => ArrayLike<Node>;
  readonly parent: (node: Node) => Node | null;
  /** Of the document, as the Encoding standard names it: queries of its links are written in it. */
  readonly encoding: (document: Node) => string;
  /** The document as text: as it was sent, or as it stands in the browser. */
  readonly html: (document: Node) => string;
};

export function readPage<Node>(dom: PageDom<Node>, document: Node, plan: PagePlan): RawPage {
  const unread = ' script style noscript template iframe noframes noembed ';
  const inline =
    ' a abbr acronym b bdi bdo big button cite code data del dfn em font i img input ins kbd label mark meter output' +
    ' picture progress q ruby s samp select slot small span strike strong sub sup svg time tt u var wbr ';
  const { limits } = plan;
  const layouts = new Map<string, 'unread' | 'inline' | 'apart'>();

  function layoutOf(tag: string): 'unread' | 'inline' | 'apart' {
    let layout = layouts.get(tag);
    if (layout === undefined) {
      layout = unread.includes(` ${tag} `) ? 'unread' : inline.includes(` ${tag} `) ? 'inline' : 'apart';
      layouts.set(tag, layout);
    }
    return layout;
  }

  // Without recursion: a hostile page can nest deeper than the stack. Only inline elements leave words together.
  function textOf(root: Node, limit = limits.characters): string {
    const parts: string[] = [];
    const pending: (Node | string)[] = [root];
    let length = 0;
    while (pending.length > 0 && length <= limit) {
      const node = pending.pop() as Node | string;
      const characters = typeof node === 'string' ? node : dom.characters(node);
      if (characters !== null) {
        parts.push(characters);
        length += characters.trim().length;
        continue;
      }
      const tag = dom.tag(node as Node);
      const layout = tag === null ? 'inline' : layoutOf(tag);
      if (layout === 'unread') continue;
      const boundary = layout === 'apart';
      if (boundary) pending.push(' ');
      const children = dom.children(node as Node);
      for (let index = children.length - 1; index >= 0; index--) pending.push(children[index] as Node);
      if (boundary) pending.push(' ');
    }
    // Most blanks are single spaces, which stay as they are.
    return parts
      .join('')
      .replace(/ \s+|[^\S ]\s*/g, ' ')
      .trim()
      .slice(0, limit);
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
    return found === undefined ? '' : textOf(found);
  }

  function taken(element: Node, take: FieldPlan['take']): string | null {
    if (take === 'presence') return '';
    if (take === 'text') return textOf(element);
    if (take === 'address') return addressOf(element) ?? textOf(element);
    for (const name of take.attributes) {
      const value = dom.attribute(element, name);
      if (value !== null) return value.trim().slice(0, limits.characters);
    }
    return take.orText ? textOf(element) : null;
  }

  function addressOf(element: Node): string | null {
    const address = dom.attribute(element, 'href') ?? imageAddress(element) ?? dom.attribute(element, 'src');
    return address === null ? null : address.trim().slice(0, limits.characters);
  }

  /** The addresses of a `srcset`, which may hold commas themselves (HTML, 4.8.4.3.10). */
  function candidates(srcset: string): string[] {
    const found: string[] = [];
    const candidate = /[\s,]*([^\s,]\S*)(?:(?<!,)\s+(?:\([^)]*\)|[^,(])*)?/g;
    for (const [, written] of srcset.slice(0, limits.characters).matchAll(candidate)) {
      found.push((written as string).replace(/,+$/, ''));
    }
    return found;
  }

  /** What stands in for an image until a script, or the visitor's scrolling, loads it. */
  function isPlaceholder(address: string): boolean {
    return (
      address === '' ||
      !/^(https?:|[^:]*([/?#]|$))/i.test(address) ||
      /(^|[/_-])(blank|spacer|placeholder|pixel|transparent|loading|loader|lazy-?load|1x1|preload|clear)([_.-][^/]*)?\.(gif|png|svg|jpe?g|webp)([?#]|$)/i.test(
        address,
      )
    );
  }

  /**
   * Where the image is, also when it is to be loaded later: until then `src` holds a placeholder, or nothing. Of several
   * sizes the first. Null for what is no image, or has no address.
   */
  function imageAddress(image: Node): string | null {
    if (dom.tag(image) !== 'img') return null;
    const parent = dom.parent(image);
    const sources = parent !== null && dom.tag(parent) === 'picture' ? dom.select(parent, 'source', limits.values) : [];
    const value = (element: Node, name: string) => (dom.attribute(element, name) ?? '').trim();
    const found = [
      ...['data-src', 'data-lazy-src', 'data-lazy', 'data-original', 'data-echo'].map((name) => value(image, name)),
      ...['data-srcset', 'data-lazy-srcset'].flatMap((name) => candidates(value(image, name))),
      value(image, 'src'),
      ...candidates(value(image, 'srcset')),
      ...sources.flatMap((source) => candidates(value(source, 'data-srcset') || value(source, 'srcset'))),
    ];
    return found.find((address) => !isPlaceholder(address)) ?? fallbackOf(image);
  }

  /** What `<noscript>` beside an image shows to visitors without scripts, by the image or the `<picture>` around it. */
  const fallbacks = new Map<Node, ReadonlyMap<Node, string>>();

  function fallbackOf(image: Node): string | null {
    const around = dom.parent(image);
    const shown = around !== null && dom.tag(around) === 'picture' ? around : image;
    const place = dom.parent(shown);
    if (place === null) return null;
    let known = fallbacks.get(place);
    if (known === undefined) {
      known = fallbacksIn(place);
      fallbacks.set(place, known);
    }
    return known.get(shown) ?? null;
  }

  /** Each `<noscript>` belongs to the image before it; where the first of all is a `<noscript>`, to the image behind it. */
  function fallbacksIn(place: Node): ReadonlyMap<Node, string> {
    const found = new Map<Node, string>();
    const isOne = (node: Node) => ['img', 'picture', 'noscript'].includes(dom.tag(node) ?? '');
    const ones = Array.from(dom.children(place)).filter(isOne);
    const step = ones[0] !== undefined && dom.tag(ones[0]) === 'noscript' ? 1 : -1;
    for (let index = 0; index < ones.length; index++) {
      const noscript = ones[index] as Node;
      const image = ones[index + step];
      if (dom.tag(noscript) !== 'noscript' || image === undefined || dom.tag(image) === 'noscript') continue;
      // With scripts on, its content is text.
      const markup = Array.from(dom.children(noscript), (node) => dom.characters(node) ?? '').join('');
      const address = imageInMarkup(markup.slice(0, 4_000));
      if (address !== null) found.set(image, address);
    }
    return found;
  }

  function imageInMarkup(markup: string): string | null {
    const [, attributes] = /<img\b((?:[^"'>]|"[^"]*"|'[^']*')*)/i.exec(markup) ?? [];
    if (attributes === undefined) return null;
    const value = (name: RegExp) => {
      const [, double, single, bare] = name.exec(attributes) ?? [];
      return (double ?? single ?? bare ?? '').replace(/&(?:amp|#38|#x26);/gi, '&').trim();
    };
    const src = value(/(?:^|[\s"'/])src\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i);
    const srcset = value(/(?:^|[\s"'/])srcset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i);
    return [src, ...candidates(srcset)].find((address) => !isPlaceholder(address)) ?? null;
  }

  function valuesOf(root: Node, field: FieldPlan): string[] {
    const values: string[] = [];
    for (const element of selectAll(root, field.selector, field.multiple ? limits.values : 1)) {
      const value = taken(element, field.take);
      if (value !== null) values.push(value);
    }
    return values;
  }

  /** The value of a microdata property (HTML, 5.2.4); `content` counts on every element, as search engines read it. */
  function propertyValue(element: Node, isScope: boolean): string {
    const byTag: Record<string, string> = {
      ...{ a: 'href', area: 'href', link: 'href', data: 'value', meter: 'value', object: 'data', time: 'datetime' },
      ...{ audio: 'src', embed: 'src', iframe: 'src', img: 'src', source: 'src', track: 'src', video: 'src' },
    };
    const image = dom.attribute(element, 'content') === null ? imageAddress(element) : null;
    if (image !== null) return image.slice(0, limits.characters);
    const attributes = ['content', byTag[dom.tag(element) ?? ''] ?? 'content'];
    return taken(element, { attributes, orText: !isScope }) ?? '';
  }

  /** How microdata (HTML, 5.2) and RDFa Lite mark what an element says. */
  type Markup = { readonly property: string; readonly scope: string; readonly type: string };

  /** Properties of the root's elements and of those that `itemref` adds to them, in document order. */
  function propertiesOf(root: Node, markup: Markup): RawProperty[] {
    const marked = `[${markup.property}], [${markup.scope}]`;
    const elements = dom.select(root, marked, limits.values);
    const adopted = new Map<Node, Node>();
    const scopesWithMore = dom.select(root, '[itemscope][itemref]', limits.values);
    if (dom.tag(root) !== null) scopesWithMore.push(root);
    for (const scope of scopesWithMore) {
      for (const id of (dom.attribute(scope, 'itemref') ?? '').trim().split(/\s+/, 20)) {
        const element = elementsById().get(id);
        if (element !== undefined && element !== scope) adopted.set(element, scope);
      }
    }
    const known = new Set(elements);
    for (const element of adopted.keys()) {
      for (const found of [element, ...dom.select(element, marked, limits.values)]) {
        if (known.has(found) || elements.length >= limits.values) continue;
        known.add(found);
        elements.push(found);
      }
    }
    const places = new Map<Node, number>();
    for (let index = 0; index < elements.length; index++) {
      const element = elements[index] as Node;
      if (dom.attribute(element, markup.scope) !== null) places.set(element, index);
    }
    // Where the nearest scope of a node is in the list: each node is climbed once, however deep the page nests.
    const scopes = new Map<Node, number>([[root, places.get(root) ?? -1]]);
    const scopeWithin = (node: Node): number | undefined => {
      const owner = adopted.get(node);
      return places.get(node) ?? (owner === undefined ? scopes.get(node) : (places.get(owner) ?? -1));
    };
    return elements.map((element) => {
      const climbed: Node[] = [];
      const owner = adopted.get(element);
      let scope = owner === undefined ? undefined : (places.get(owner) ?? -1);
      for (let above = dom.parent(element); scope === undefined && above !== null; above = dom.parent(above)) {
        scope = scopeWithin(above);
        if (scope === undefined) climbed.push(above);
      }
      for (const node of climbed) scopes.set(node, scope ?? -1);
      const isScope = places.has(element);
      return {
        scope: scope ?? -1,
        names: (dom.attribute(element, markup.property) ?? '').slice(0, limits.characters),
        type: isScope ? (dom.attribute(element, markup.type) ?? '').slice(0, limits.characters) : null,
        value: propertyValue(element, isScope),
      };
    });
  }

  let byId: Map<string, Node> | undefined;
  function elementsById(): Map<string, Node> {
    if (byId === undefined) {
      byId = new Map();
      for (const element of dom.select(document, '[id]', Number.POSITIVE_INFINITY)) {
        const id = dom.attribute(element, 'id') ?? '';
        if (!byId.has(id)) byId.set(id, element);
      }
    }
    return byId;
  }

  const microdata = { property: 'itemprop', scope: 'itemscope', type: 'itemtype' };
  const rdfa = { property: 'property', scope: 'typeof', type: 'typeof' };

  /** Whole scripts: a part of one could not be parsed. */
  function jsonLdTexts(): string[] {
    const texts: string[] = [];
    let left = limits.jsonLd;
    for (const script of dom.select(document, 'script[type*="ld+json" i]', limits.values)) {
      if (!/^\s*application\/ld\+json\s*(;|$)/i.test(dom.attribute(script, 'type') ?? '')) continue;
      const text = Array.from(dom.children(script), (node) => dom.characters(node) ?? '').join('');
      if (text.length > left) continue;
      left -= text.length;
      texts.push(text);
    }
    return texts;
  }

  function robotsTags(): [string, string][] {
    const pairs: [string, string][] = [];
    for (const element of dom.select(document, 'meta[name][content]', limits.values)) {
      const content = (dom.attribute(element, 'content') ?? '').slice(0, 1_000);
      if (/noindex|nofollow|none/i.test(content)) pairs.push([dom.attribute(element, 'name') ?? '', content]);
    }
    return pairs;
  }

  function metaTags(): [string, string][] {
    return dom.select(document, 'meta[content][name], meta[content][property]', limits.values).map((element) => {
      const name = dom.attribute(element, 'property') ?? dom.attribute(element, 'name') ?? '';
      const content = dom.attribute(element, 'content') ?? '';
      return [name.trim().slice(0, limits.characters), content.trim().slice(0, limits.characters)];
    });
  }

  function imagesOf(root: Node): [string, string][] {
    const images: [string, string][] = [];
    for (const image of selectAll(root, 'img', limits.values)) {
      const address = imageAddress(image);
      if (address === null) continue;
      const alt = (dom.attribute(image, 'alt') ?? '').trim();
      images.push([address.slice(0, limits.characters), alt.slice(0, limits.linkText)]);
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
    return anchorsIn(root, limits.values).map((link) => {
      const href = hrefOf(link);
      const text = textOf(link, limits.linkText) || (dom.attribute(link, 'alt') ?? '').slice(0, limits.linkText);
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
    frames: dom.frames(document).slice(0, limits.values),
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
    html: plan.html ? dom.html(document).slice(0, limits.html) : '',
  };
}
