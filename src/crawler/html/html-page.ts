// Reads a page from its tree: selectors mean the same as in a browser.
import { compile, type Options, selectAll } from 'css-select';
import { type ChildNode, type Document, type Element, isTag, isText, type ParentNode } from 'domhandler';
import type { DecodedText } from './charset.ts';
import { withEncodedQueries } from './page-references.ts';
import { parseHtml } from './parse-document.ts';
import { type PageDom, type PagePlan, type RawPage, readPage } from './read-page.ts';

type Node = ParentNode | ChildNode;

/** Reads what the plan asks for. Throws when the document is more than the parser or a selector can take. */
export function readHtml(html: string, plan: PagePlan): RawPage {
  return readDocument(parseHtml(html), { text: html, encoding: 'UTF-8' }, plan);
}

/** @param source what the document was parsed from */
export function readDocument(document: Document, source: DecodedText, plan: PagePlan): RawPage {
  return withEncodedQueries(readPage(documentDom(source, selectorsOf(plan)), document, plan));
}

type CompiledSelectors = Map<string, ReturnType<typeof compile<Node, Element>>>;

/** Kept as long as their plan: every page is asked for the same ones. */
const compiledFor = new WeakMap<PagePlan, CompiledSelectors>();

function selectorsOf(plan: PagePlan): CompiledSelectors {
  const known = compiledFor.get(plan);
  if (known !== undefined) return known;
  const compiled: CompiledSelectors = new Map();
  compiledFor.set(plan, compiled);
  return compiled;
}

function documentDom(source: DecodedText, compiled: CompiledSelectors): PageDom<Node> {
  function queryOf(selector: string): string | ReturnType<typeof compile<Node, Element>> {
    // `:scope` is bound when it is compiled, so that it has to be done for each root anew.
    if (selector.includes(':scope')) return selector;
    let query = compiled.get(selector);
    if (query === undefined) {
      query = compile<Node, Element>(selector, SELECT_OPTIONS);
      compiled.set(selector, query);
    }
    return query;
  }

  return {
    select: (root, selector, limit) =>
      selectAll<Node, Element>(queryOf(selector), root, optionsFor(selector, root)).slice(0, limit),
    attribute: (node, name) => (isTag(node) ? (node.attribs[name] ?? null) : null),
    tag: (node) => (isTag(node) ? node.name : null),
    characters: (node) => (isText(node) ? node.data : null),
    children: (node) => ('children' in node ? node.children : []),
    parent: (node) => node.parent,
    html: () => source.text,
    encoding: () => source.encoding,
  };
}

function optionsFor(selector: string, root: Node): Options<Node, Element> {
  return selector.includes(':scope') ? { ...SELECT_OPTIONS, context: scopeOf(root) } : SELECT_OPTIONS;
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
