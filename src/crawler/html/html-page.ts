// Reads a page from its tree: selectors mean the same as in a browser.
import { compile, type Options, selectAll } from 'css-select';
import { type ChildNode, type Document, type Element, isDocument, isTag, isText, type ParentNode } from 'domhandler';
import { pageUnreadable } from '../failure.ts';
import type { DecodedText } from './charset.ts';
import { type ElementsByTag, elementsByTag, namesOfSelector } from './elements-by-tag.ts';
import { showsPage } from './embedded-pages.ts';
import type { PageDom } from './page-dom.ts';
import type { PagePlan } from './page-plan.ts';
import { withEncodedQueries } from './page-references.ts';
import { parseHtml, parseXml, templateContent } from './parse-document.ts';
import type { RawPage } from './raw-page.ts';
import { PAGE_PARTS, readPage } from './read-page.ts';

type Node = ParentNode | ChildNode;

/** Reads what the plan asks for. Throws when the document is more than the parser or a selector can take. */
export function readHtml(html: string, plan: PagePlan): RawPage {
  return readDocument(parseHtml(html), { text: html, encoding: 'UTF-8' }, plan);
}

/** The same of an XML document. Throws a CrawlError. */
export function readXml(source: DecodedText, plan: PagePlan): RawPage {
  try {
    return readDocument(parseXml(source.text), source, plan);
  } catch (error) {
    throw pageUnreadable(error);
  }
}

/** @param source what the document was parsed from */
export function readDocument(document: Document, source: DecodedText, plan: PagePlan): RawPage {
  return withEncodedQueries(readPage(documentDom(document, source, selectorsOf(plan)), document, plan, PAGE_PARTS));
}

type ShadowTree = { readonly host: ParentNode; readonly content: Document };

/** Declarative shadow DOM (HTML, 4.12.3): a template's content is the shadow tree of its parent, which shows it. */
function shadowTreesOf(root: Document, indexOf: (tree: Document) => ElementsByTag): readonly ShadowTree[] {
  const trees: ShadowTree[] = [];
  const pending: Document[] = [root];
  for (let tree = pending.shift(); tree !== undefined; tree = pending.shift()) {
    for (const template of indexOf(tree)(['template'])) {
      const host = template.parent;
      const content = templateContent(template);
      const isDeclared = /^(open|closed)$/i.test(template.attribs['shadowrootmode'] ?? '');
      // A second one of a host is an ordinary template.
      if (host === null || content === undefined || !isDeclared || trees.some((one) => one.host === host)) continue;
      trees.push({ host, content });
      pending.push(content);
    }
  }
  return trees;
}

type Query = ReturnType<typeof compile<Node, Element>>;

type Selector = {
  readonly query: Query;
  /** Every match has one of these tag names; undefined where the selector does not show that. */
  readonly names: readonly string[] | undefined;
};

type CompiledSelectors = Map<string, Selector>;

/** Kept as long as their plan: every page is asked for the same ones. */
const compiledFor = new WeakMap<PagePlan, CompiledSelectors>();

function selectorsOf(plan: PagePlan): CompiledSelectors {
  const known = compiledFor.get(plan);
  if (known !== undefined) return known;
  const compiled: CompiledSelectors = new Map();
  compiledFor.set(plan, compiled);
  return compiled;
}

const NONE: readonly never[] = [];

function documentDom(document: Document, source: DecodedText, compiled: CompiledSelectors): PageDom<Node> {
  const indexes = new Map<Document, ElementsByTag>();
  const shadowTrees = shadowTreesOf(document, indexOf);

  /** Whether the node is in the root, or in a shadow tree that is. */
  function isWithin(node: Node, root: Node): boolean {
    for (let above: Node | null | undefined = node; above; ) {
      if (above === root) return true;
      const place: Node = above;
      above = place.parent ?? shadowTrees.find(({ content }) => content === place)?.host;
    }
    return false;
  }

  function selectorOf(text: string): Selector {
    let selector = compiled.get(text);
    if (selector === undefined) {
      selector = { query: compile<Node, Element>(text, SELECT_OPTIONS), names: namesOfSelector(text) };
      compiled.set(text, selector);
    }
    return selector;
  }

  function indexOf(root: Document): ElementsByTag {
    let index = indexes.get(root);
    if (index === undefined) {
      index = elementsByTag(root);
      indexes.set(root, index);
    }
    return index;
  }

  function select(root: Node, text: string, limit = Infinity): Element[] {
    // `:scope` is bound when it is compiled, so that it has to be done for each root anew.
    if (text.includes(':scope')) return selectAll<Node, Element>(text, root, optionsFor(root)).slice(0, limit);
    const { query, names } = selectorOf(text);
    if (!isDocument(root)) return selectAll<Node, Element>(query, root, SELECT_OPTIONS).slice(0, limit);
    // Walking the whole tree for one selector after the other took more time than all the rest.
    const found: Element[] = [];
    for (const element of indexOf(root)(names)) {
      if (found.length >= limit) break;
      if (query(element)) found.push(element);
    }
    return found;
  }

  return {
    select,
    inner(root) {
      if (shadowTrees.length === 0) return NONE;
      return shadowTrees.filter(({ host }) => isWithin(host, root)).map(({ content }) => content);
    },
    // Their documents are pages of their own.
    frames(document) {
      const elements = select(document, 'iframe[src], frame[src], object[data], embed[src]');
      const addresses = elements.flatMap(({ name, attribs }) => {
        const address = attribs[name === 'object' ? 'data' : 'src'] ?? '';
        return name.endsWith('frame') || showsPage(attribs['type'] ?? null, address) ? [address] : [];
      });
      return { addresses, hasMore: false };
    },
    base: (document) => select(document, 'base[href]', 1)[0]?.attribs['href'] ?? null,
    attribute: (node, name) => (isTag(node) ? (node.attribs[name] ?? null) : null),
    tag: (node) => (isTag(node) ? node.name : null),
    characters: (node) => (isText(node) ? node.data : null),
    children: (node) => childrenOf(node, shadowTrees),
    parent: (node) => node.parent,
    html: () => source.text,
    encoding: () => source.encoding,
  };
}

/** For selectors with `:scope`. */
function optionsFor(root: Node): Options<Node, Element> {
  return { ...SELECT_OPTIONS, context: scopeOf(root) };
}

/** What `:scope` is: of a document its root element (Selectors 4, 8.4). */
function scopeOf(root: Node): Node {
  return isTag(root) || !('children' in root) ? root : (root.children.find(isTag) ?? root);
}

const SELECT_OPTIONS: Options<Node, Element> = {
  relativeSelector: false,
  // In browsers white space is no emptiness; in the engine it is.
  pseudos: { empty: (element) => element.children.every((child) => !isTag(child) && !isText(child)) },
};

function childrenOf(node: Node, shadowTrees: readonly ShadowTree[]): readonly ChildNode[] {
  if (!('children' in node)) return [];
  if (shadowTrees.length === 0) return node.children;
  const tree = shadowTrees.find(({ host }) => host === node);
  return tree === undefined ? node.children : [...tree.content.children, ...node.children];
}
