// Links that the headers of a page name (RFC 8288), as the page's own <link> elements do.

export type HeaderLink = { readonly target: string; readonly relations: readonly string[] };

/** Links of one page that are read. */
const MAX_LINKS = 100;
/** Of one header, in characters. */
const MAX_LENGTH = 4_096;

/** A target, and its parameters: names with values, which may be quoted. */
const LINK = /<([^<>]*)>((?:\s*;\s*[^\s=;,"]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)/gy;
const PARAMETER = /;\s*([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))/g;
const BETWEEN_LINKS = /[\s,]*/y;

/** What is written otherwise ends its header. Links about something else than the page (`anchor`) are left out. */
export function headerLinks(headers: readonly string[]): HeaderLink[] {
  return headers.flatMap((header) => [...linksOf(header.slice(0, MAX_LENGTH))]).slice(0, MAX_LINKS);
}

function* linksOf(header: string): Generator<HeaderLink> {
  let position = 0;
  for (let count = 0; count < MAX_LINKS; count++) {
    BETWEEN_LINKS.lastIndex = position;
    BETWEEN_LINKS.exec(header);
    LINK.lastIndex = BETWEEN_LINKS.lastIndex;
    const found = LINK.exec(header);
    if (found === null) return;
    position = LINK.lastIndex;
    const [, target = '', written = ''] = found;
    const parameters = [...written.matchAll(PARAMETER)].map(
      ([, name = '', quoted, token = '']) => [name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? token] as const,
    );
    // The first of several counts (RFC 8288, 3.3).
    const relation = parameters.find(([name]) => name === 'rel')?.[1] ?? '';
    if (parameters.some(([name]) => name === 'anchor')) continue;
    yield { target: target.trim(), relations: relation.toLowerCase().split(/\s+/).filter(Boolean) };
  }
}
