// A page's text -> a document with the DOM's interface, as Readability and custom extractors know it: the same tree that
// fields are read from. No script of it runs.
import { type AnyNode, type Document, isComment, isTag, isText, type ParentNode } from 'domhandler';
import { parseHTML } from 'linkedom/worker';
import { kindByHeader } from './content-type.ts';
import { parseHtml, parseXml, templateContent } from './parse-document.ts';

const HTML = 'http://www.w3.org/1999/xhtml';

/** @param contentType as the server sent it; what is not XML is read as HTML */
export function parsePage(text: string, contentType?: string) {
  return domOf(kindByHeader(contentType) === 'Xml' ? parseXml(text) : parseHtml(text));
}

function domOf(tree: Document) {
  const { document } = parseHTML('<!doctype html>');
  type Parent = Pick<typeof document, 'appendChild'>;

  function elementOf(name: string, namespace: string) {
    return namespace === HTML ? document.createElement(name) : document.createElementNS(namespace, name);
  }

  /** The element that was made, if the node is one. */
  function append(parent: Parent, node: AnyNode): Parent | undefined {
    if (isText(node)) parent.appendChild(document.createTextNode(node.data));
    if (isComment(node)) parent.appendChild(document.createComment(node.data));
    if (!isTag(node)) return undefined;
    const element = elementOf(node.name, node.namespace ?? HTML);
    for (const name of Object.keys(node.attribs)) element.setAttribute(name, node.attribs[name] ?? '');
    parent.appendChild(element);
    return element;
  }

  // Without recursion: pages nest deep.
  const pending: (readonly [Parent, ParentNode])[] = [[document, tree]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [parent, { children }] = next;
    for (const child of children) {
      const made = append(parent, child);
      if (made === undefined || !isTag(child)) continue;
      pending.push([made, child]);
      const content = templateContent(child);
      if (content !== undefined) pending.push([(made as unknown as { content: Parent }).content, content]);
    }
  }
  return document;
}
