// Reads a page from its HTML text: one parse, and a tree close enough to a browser's that selectors mean the same.
import { compile, type Options, selectAll } from 'css-select';
import { type ChildNode, type Document, DomHandler, Element, isTag, isText, type ParentNode } from 'domhandler';
import { Parser } from 'htmlparser2';
import { type PageDom, type PagePlan, type RawPage, readPage } from './read-page.ts';

type Node = ParentNode | ChildNode;

/** In a browser that runs scripts these hold text or a document of their own, but no elements of the page. */
const OPAQUE = new Set(['noscript', 'template', 'iframe', 'noframes', 'noembed']);

/** Reads what the plan asks for. Throws when the document is more than the parser or a selector can take. */
export function readHtml(html: string, plan: PagePlan): RawPage {
  return readPage(htmlDom(html, selectorsOf(plan)), parseHtml(html), plan);
}

/** Chromium nests no deeper either; searching a tree takes time that grows with the square of its depth. */
const MAX_DEPTH = 512;

/** What would stand deeper becomes a child of the deepest element that is allowed. */
class ShallowHandler extends DomHandler {
  protected override addNode(node: ChildNode): void {
    const open = this.tagStack;
    if (open.length > MAX_DEPTH) this.tagStack = open.slice(0, MAX_DEPTH);
    super.addNode(node);
    this.tagStack = open;
  }
}

function parseHtml(html: string): Document {
  const handler = new ShallowHandler(null, null, asBrowsersDo);
  new Parser(handler).end(html);
  return handler.root;
}

/** Called as each element is closed. */
function asBrowsersDo(element: Element): void {
  if (OPAQUE.has(element.name)) element.children = [];
  else if (element.name === 'table') wrapRows(element);
}

/** Browsers put rows that stand directly in a table into a <tbody>; selectors copied from them rely on it. */
function wrapRows(table: Element): void {
  const children: ChildNode[] = [];
  let body: Element | undefined;
  for (const child of table.children) {
    if (isTag(child) && child.name === 'tr') {
      if (body === undefined) {
        body = new Element('tbody', {}, []);
        children.push(body);
      }
      body.children.push(child);
    } else {
      if (isTag(child)) body = undefined;
      (body?.children ?? children).push(child);
    }
  }
  adopt(table, children);
  for (const child of children) if (isTag(child) && child.name === 'tbody') adopt(child, child.children);
}

function adopt(parent: ParentNode, children: ChildNode[]): void {
  parent.children = children;
  children.forEach((child, index) => {
    child.parent = parent;
    child.prev = children[index - 1] ?? null;
    child.next = children[index + 1] ?? null;
  });
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

function htmlDom(html: string, compiled: CompiledSelectors): PageDom<Node> {
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
      selectAll<Node, Element>(queryOf(selector), root, SELECT_OPTIONS).slice(0, limit),
    attribute: (node, name) => (isTag(node) ? (node.attribs[name] ?? null) : null),
    tag: (node) => (isTag(node) ? node.name : null),
    characters: (node) => (isText(node) ? node.data : null),
    children: (node) => ('children' in node ? node.children : []),
    parent: (node) => node.parent,
    html: () => html,
  };
}

const SELECT_OPTIONS: Options<Node, Element> = { relativeSelector: false };
