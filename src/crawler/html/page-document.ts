// HTML text -> a document with the DOM's interface, as Readability and custom extractors know it. No script of it runs.
import { parseHTML } from 'linkedom/worker';

type PageElement = {
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
};

export function parsePage(html: string) {
  const { document } = parseHTML(withOneBody(html));
  lowerAttributeNames(document.querySelectorAll('*'));
  return document;
}

/** Browsers make these elements where a page has none, or several; linkedom keeps what is written. */
function withOneBody(html: string): string {
  const title = /<title[^>]*>[^<]{0,1000}<\/title>/i.exec(html)?.[0] ?? '';
  const content = html.replace(title, '').replace(/<!doctype[^>]*>|<\/?(?:html|head|body)(?=[\s/>])[^>]*>/gi, '');
  return `<!doctype html><html><head>${title}</head><body>${content}</body></html>`;
}

/** HTML knows attributes in lower case alone; linkedom keeps them as written. */
function lowerAttributeNames(elements: Iterable<PageElement>): void {
  for (const element of elements) {
    for (const { name, value } of [...element.attributes]) {
      if (!/[A-Z]/.test(name)) continue;
      element.removeAttribute(name);
      element.setAttribute(name.toLowerCase(), value);
    }
  }
}
