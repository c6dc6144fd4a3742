// The text of elements, as a visitor reads it. It is sent to the browser as text, so it may use nothing around it.
import type { PageDom } from './page-dom.ts';

export function createTextReader<Node>(dom: PageDom<Node>): (root: Node, limit: number) => string {
  const unread = ' script style noscript template iframe noframes noembed ';
  const inline =
    ' a abbr acronym b bdi bdo big button cite code data del dfn em font i img input ins kbd label mark meter output' +
    ' picture progress q ruby s samp select slot small span strike strong sub sup svg time tt u var wbr ';
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
  return function textOf(root: Node, limit: number): string {
    const parts: string[] = [];
    const pending: (Node | string)[] = [root];
    let length = 0;
    while (pending.length > 0 && length <= limit) {
      const node = pending.pop() as Node | string;
      const characters = typeof node === 'string' ? node : dom.characters(node);
      if (characters !== null) {
        parts.push(characters);
        // Of blanks in a row one is left: many of them are no long text.
        length += (/\s\s/.test(characters) ? characters.replace(/\s+/g, ' ') : characters).trim().length;
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
  };
}
