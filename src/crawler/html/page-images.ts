// Where the images of a page are, also those that are loaded later. It is sent to the browser as text, so it may use nothing
// around it.
import type { PageDom } from './page-dom.ts';

/**
 * The address of an image; null for what is no image, or has no address.
 * @param most characters of a `srcset` that are read
 * @param mostSources of a `<picture>`
 */
export function createImageReader<Node>(
  dom: PageDom<Node>,
  most: number,
  mostSources: number,
): (image: Node) => string | null {
  /** The addresses of a `srcset`, which may hold commas themselves (HTML, 4.8.4.3.10). */
  function candidates(srcset: string): string[] {
    const found: string[] = [];
    const candidate = /[\s,]*([^\s,]\S*)(?:(?<!,)\s+(?:\([^)]*\)|[^,(])*)?/g;
    for (const [, written] of srcset.slice(0, most).matchAll(candidate)) {
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
    const sources = parent !== null && dom.tag(parent) === 'picture' ? dom.select(parent, 'source', mostSources) : [];
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

  return imageAddress;
}
