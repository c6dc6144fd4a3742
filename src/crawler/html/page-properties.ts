// Microdata (HTML, 5.2) and RDFa Lite of an item. It is sent to the browser as text, so it may use nothing around it.
import type { PageDom } from './page-dom.ts';
import type { FieldPlan } from './page-plan.ts';
import type { RawProperty } from './raw-page.ts';

/** How microdata and RDFa mark what an element says: the attributes. */
export type Markup = { readonly property: string; readonly scope: string; readonly type: string };

type Limits = { readonly values: number; readonly characters: number };

/**
 * The properties of an item's elements and of those that `itemref` adds to them, in document order.
 * @param noteMore called when there are more than are read
 */
export function createPropertyReader<Node>(
  dom: PageDom<Node>,
  document: Node,
  limits: Limits,
  imageAddress: (image: Node) => string | null,
  taken: (element: Node, take: FieldPlan['take']) => string | null,
  noteMore: () => void,
): (root: Node, markup: Markup) => RawProperty[] {
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

  /** Properties of the root's elements and of those that `itemref` adds to them, in document order. */
  function propertiesOf(root: Node, markup: Markup): RawProperty[] {
    const marked = `[${markup.property}], [${markup.scope}]`;
    const matches = dom.select(root, marked, limits.values + 1);
    if (matches.length > limits.values) noteMore();
    const elements = matches.slice(0, limits.values);
    const adopted = new Map<Node, Node>();
    const scopesWithMore = dom.select(root, '[itemscope][itemref]', limits.values);
    if (dom.tag(root) !== null) scopesWithMore.push(root);
    for (const scope of scopesWithMore) {
      const ids = (dom.attribute(scope, 'itemref') ?? '').trim().split(/\s+/, 21);
      if (ids.length > 20) noteMore();
      for (const id of ids.slice(0, 20)) {
        const element = elementsById().get(id);
        if (element !== undefined && element !== scope) adopted.set(element, scope);
      }
    }
    const known = new Set(elements);
    for (const element of adopted.keys()) {
      for (const found of [element, ...dom.select(element, marked, limits.values)]) {
        if (known.has(found)) continue;
        if (elements.length >= limits.values) {
          noteMore();
          continue;
        }
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

  return propertiesOf;
}
