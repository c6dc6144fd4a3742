// Text of a document -> its tree, for selectors and for whatever else reads pages: HTML as browsers parse it (HTML
// standard, 13.2), XML by its own rules, but without minding its errors.
import { type ChildNode, Document, DomHandler, Element, isTag, isText, type ParentNode, Text } from 'domhandler';
import { decodeHTML } from 'entities';
import { Parser as XmlParser } from 'htmlparser2';
import { Parser as HtmlParser, type TreeAdapter } from 'parse5';
import { type Htmlparser2TreeAdapterMap, adapter as plainAdapter } from 'parse5-htmlparser2-tree-adapter';
import { RunTokenizer } from './run-tokenizer.ts';

/** Chromium nests no deeper either; searching a tree takes time that grows with the square of its depth. */
const MAX_DEPTH = 512;
/** Elements and texts of one document; a few megabytes of HTML can ask for many more. */
const MAX_NODES = 1_000_000;

/** A document that would take the memory of all pages together. */
export class DocumentTooLargeError extends Error {
  override readonly name = 'DocumentTooLargeError';
}

/** The tree as in a browser that runs scripts, before any of them ran. Throws a DocumentTooLargeError. */
export function parseHtml(html: string): Document {
  nodesLeft = MAX_NODES;
  const parser = new HtmlParser<Htmlparser2TreeAdapterMap>({ treeAdapter });
  parser.tokenizer = new RunTokenizer(parser.options, parser);
  parser.tokenizer.write(html, true);
  return parser.document;
}

/**
 * The tree of an XML document. Entities of HTML are known without a DTD, CDATA sections are text, and what is not well
 * formed is read on, where a browser would stop. Throws a DocumentTooLargeError.
 */
export function parseXml(xml: string): Document {
  nodesLeft = MAX_NODES;
  const handler = new XmlTreeHandler();
  new XmlParser(handler, { xmlMode: true }).end(withoutHtmlEntities(xml));
  return handler.root;
}

const XHTML = 'http://www.w3.org/1999/xhtml';
/** How far the root element of an XML document is looked for, in characters. */
const LONGEST_PROLOG = 64 * 1_024;

/** Whether an XML document is a page: whether its root element is that of HTML. */
export function isXhtml(xml: string): boolean {
  const roots: boolean[] = [];
  const onopentag = (name: string, attributes: Record<string, string>) => {
    const prefix = prefixOfHtml(attributes);
    roots.push(prefix !== undefined && name === `${prefix}html`);
  };
  new XmlParser({ onopentag }, { xmlMode: true }).write(xml.slice(0, LONGEST_PROLOG));
  return roots[0] === true;
}

/** What the names of HTML elements begin with, as the element says: `h:` with `xmlns:h`; undefined when it says nothing. */
function prefixOfHtml(attributes: Readonly<Record<string, string>>): string | undefined {
  const [declaration] =
    Object.entries(attributes).find(([name, value]) => /^xmlns(:|$)/.test(name) && value === XHTML) ?? [];
  return declaration === undefined
    ? undefined
    : `${declaration.slice('xmlns:'.length)}${declaration === 'xmlns' ? '' : ':'}`;
}

/** An element that knows how deep it stands. */
class PageElement extends Element {
  depth = 0;
  /** Of a template: what it holds, which is no part of the page. */
  content: Document | undefined = undefined;
}

/** What a template holds; undefined of any other element. */
export function templateContent(element: Element): Document | undefined {
  return element instanceof PageElement ? element.content : undefined;
}

/** Attributes by name, and nothing that objects have by themselves. Unlike `Object.create(null)` fast to look up. */
const Attributes = function Attributes() {} as unknown as new () => Record<string, string>;
Attributes.prototype = Object.create(null) as object;

/** Of the document that is being parsed, which is done in one go. */
let nodesLeft = MAX_NODES;

function countNode(): void {
  if (nodesLeft-- <= 0) throw new DocumentTooLargeError(`the document has more than ${MAX_NODES} elements and texts`);
}

const treeAdapter: TreeAdapter<Htmlparser2TreeAdapterMap> = {
  ...plainAdapter,
  createElement(tagName, namespace, list) {
    countNode();
    const attributes = new Attributes();
    for (const { name, prefix, value } of list) attributes[prefix ? `${prefix}:${name}` : name] = value;
    const element = new PageElement(tagName, attributes, []);
    element.namespace = namespace;
    return element;
  },
  appendChild(parent, child) {
    const place = placeIn(parent);
    if (child instanceof PageElement) child.depth = depthOf(place) + 1;
    plainAdapter.appendChild(place, child);
  },
  insertBefore(parent, child, reference) {
    if (child instanceof PageElement) child.depth = depthOf(parent) + 1;
    plainAdapter.insertBefore(parent, child, reference);
  },
  insertText(parent, text) {
    const last = parent.children.at(-1);
    if (last !== undefined && isText(last)) last.data += text;
    else plainAdapter.appendChild(parent, newText(text));
  },
  insertTextBefore(parent, text, reference) {
    const { prev } = reference;
    if (prev !== null && isText(prev)) prev.data += text;
    else plainAdapter.insertBefore(parent, newText(text), reference);
  },
  adoptAttributes(element, list) {
    for (const { name, value } of list) element.attribs[name] ??= value;
  },
  setTemplateContent(template, content) {
    if (template instanceof PageElement) template.content = content;
  },
  getTemplateContent(template) {
    return templateContent(template) ?? new Document([]);
  },
};

function newText(text: string): Text {
  countNode();
  return new Text(text);
}

function depthOf(node: ParentNode): number {
  return node instanceof PageElement ? node.depth : 0;
}

/** An element that would stand deeper becomes a child of the deepest one that is allowed, as in Chromium; texts stay where they are. */
function placeIn(parent: ParentNode): ParentNode {
  return depthOf(parent) > MAX_DEPTH && parent.parent !== null ? parent.parent : parent;
}

class XmlTreeHandler extends DomHandler {
  /** That of the root element: documents with several are not written by anybody. */
  #prefix: string | undefined;

  override onopentag(name: string, attributes: Record<string, string>): void {
    this.#prefix ??= prefixOfHtml(attributes) ?? '';
    super.onopentag(name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : name, attributes);
  }

  override oncdatastart(): void {}
  override oncdataend(): void {}

  protected override addNode(node: ChildNode): void {
    countNode();
    const open = this.tagStack;
    if (open.length > MAX_DEPTH && isTag(node)) this.tagStack = open.slice(0, MAX_DEPTH);
    super.addNode(node);
    this.tagStack = open;
  }
}

/** XML itself knows five entities, which stay. */
function withoutHtmlEntities(xml: string): string {
  return xml.replaceAll(/&(?!(?:lt|gt|amp|quot|apos);)[A-Za-z][A-Za-z0-9]{1,31};/g, (entity) => {
    const text = decodeHTML(entity);
    return /[<&]/.test(text) ? entity : text;
  });
}
