// The elements of a document, and those with a name, found in one walk: most of what is looked for on a page is named.
import { type ChildNode, type Document, type Element, isTag, type ParentNode } from 'domhandler';

type Named = { readonly elements: Element[]; readonly positions: number[] };

/** All elements with one of the names, each of which is given once, in document order; all elements where there are no names. */
export type ElementsByTag = (names: readonly string[] | undefined) => readonly Element[];

/** What is in a template is no part of the document. The tree must not change afterwards. */
export function elementsByTag(document: Document): ElementsByTag {
  const named = new Map<string, Named>();
  const all: Element[] = [];
  for (let node = nextInTree(document, document); node !== null; node = nextInTree(node, document)) {
    if (!isTag(node)) continue;
    let entry = named.get(node.name);
    if (entry === undefined) {
      entry = { elements: [], positions: [] };
      named.set(node.name, entry);
    }
    entry.elements.push(node);
    entry.positions.push(all.length);
    all.push(node);
  }

  return (names) => {
    if (names === undefined) return all;
    const found = names.map((name) => named.get(name)).filter((entry) => entry !== undefined);
    const [only, ...others] = found;
    if (only === undefined || others.length === 0) return only?.elements ?? [];
    return found
      .flatMap(({ elements, positions }) => elements.map((element, index) => ({ element, at: positions[index] ?? 0 })))
      .toSorted((a, b) => a.at - b.at)
      .map(({ element }) => element);
  };
}

/** In document order, and by the nodes' own references: pages nest deep, and a stack of places would be garbage for each of them. */
function nextInTree(node: ParentNode | ChildNode, root: Document): ChildNode | null {
  const first = 'children' in node && !isTemplate(node) ? node.children[0] : undefined;
  if (first !== undefined) return first;
  let above: ParentNode | ChildNode | null = node;
  while (above !== null && above !== root) {
    if (above.next !== null) return above.next as ChildNode;
    above = above.parent;
  }
  return null;
}

function isTemplate(node: ParentNode): boolean {
  return isTag(node) && node.name === 'template';
}

/** A name, and what its attributes are; no combinators, no pseudo-classes, no commas in values. */
const NAMED = /^([a-z][a-z0-9]*)(?:\[[^\],]*\])*$/;

/** Every match of the selector has one of these names, each of which is given once; undefined where the selector does not show that. */
export function namesOfSelector(selector: string): readonly string[] | undefined {
  const names = selector.split(',').map((part) => NAMED.exec(part.trim())?.[1]);
  return names.every((name) => name !== undefined) ? [...new Set(names)] : undefined;
}
