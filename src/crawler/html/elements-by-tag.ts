// The elements of a document, and those with a name, found in one walk: most of what is looked for on a page is named.
import { type Document, type Element, isTag, type ParentNode } from 'domhandler';

type Named = { readonly elements: Element[]; readonly positions: number[] };

/** All elements with one of the names, in document order; all elements where there are no names. */
export type ElementsByTag = (names: readonly string[] | undefined) => readonly Element[];

/** What is in a template is no part of the document. The tree must not change afterwards. */
export function elementsByTag(document: Document): ElementsByTag {
  const named = new Map<string, Named>();
  const all: Element[] = [];
  // Without recursion: pages nest deep. Each entry is a parent and how many of its children were seen.
  const open: { readonly parent: ParentNode; next: number }[] = [{ parent: document, next: 0 }];
  for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
    const child = last.parent.children[last.next++];
    if (child === undefined) open.pop();
    else if (isTag(child)) {
      let entry = named.get(child.name);
      if (entry === undefined) {
        entry = { elements: [], positions: [] };
        named.set(child.name, entry);
      }
      entry.elements.push(child);
      entry.positions.push(all.length);
      all.push(child);
      if (child.children.length > 0 && child.name !== 'template') open.push({ parent: child, next: 0 });
    }
  }

  return (names) => {
    if (names === undefined) return all;
    const found = [...new Set(names)].map((name) => named.get(name)).filter((entry) => entry !== undefined);
    const [only, ...others] = found;
    if (only === undefined || others.length === 0) return only?.elements ?? [];
    return found
      .flatMap(({ elements, positions }) => elements.map((element, index) => ({ element, at: positions[index] ?? 0 })))
      .toSorted((a, b) => a.at - b.at)
      .map(({ element }) => element);
  };
}

/** A name, and what its attributes are; no combinators, no pseudo-classes, no commas in values. */
const NAMED = /^([a-z][a-z0-9]*)(?:\[[^\],]*\])*$/;

/** The names that every match of the selector has one of; undefined where that cannot be told at a glance. */
export function namesOfSelector(selector: string): readonly string[] | undefined {
  const names = selector.split(',').map((part) => NAMED.exec(part.trim())?.[1]);
  return names.every((name) => name !== undefined) ? names : undefined;
}
