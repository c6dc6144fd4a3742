// The main text of a page as Markdown: Readability finds it, Turndown writes it.
import { Readability } from '@mozilla/readability';
import TurndownService from 'turndown';
import { parsePage } from '../html/page-document.ts';

/** What is read of a page, and kept of its text, in characters. */
const MAX_HTML = 500_000;
const MAX_TEXT = 100_000;
/** Readability's time grows with the square of both; browsers nest no deeper, either. */
const MAX_ELEMENTS = 20_000;
const MAX_DEPTH = 512;

export type MainText = {
  /** Fenced code, `#` headings, `-` lists; links and images with absolute addresses. Null when the page has no main text. */
  readonly text: string | null;
  /** The page, or the text, is longer than what is read or kept; a page of too many elements has no text at all. */
  readonly isCut: boolean;
};

export function mainText(html: string, url: string): MainText {
  const isPart = html.length > MAX_HTML;
  const document = parsePage(html.slice(0, MAX_HTML));
  if (isTooLarge(document)) return { text: null, isCut: true };
  // Readability asks the document where it is; linkedom's has no address.
  const base = document.querySelector('base[href]')?.getAttribute('href') ?? '';
  const baseURI = URL.parse(base, url)?.href ?? url;
  Object.defineProperties(document, { documentURI: { value: url }, baseURI: { value: baseURI } });
  const article = new Readability(document, { serializer: (node: object) => node }).parse();
  const text = article?.content == null ? '' : createTurndown().turndown(article.content).trim();
  return { text: text === '' ? null : text.slice(0, MAX_TEXT), isCut: isPart || text.length > MAX_TEXT };
}

type Tree = { querySelectorAll(selector: string): Iterable<TreeElement> };
type TreeElement = { readonly parentElement: TreeElement | null };

function isTooLarge(document: Tree): boolean {
  const depths = new Map<TreeElement | null, number>();
  for (const element of document.querySelectorAll('*')) {
    const depth = (depths.get(element.parentElement) ?? 0) + 1;
    depths.set(element, depth);
    if (depth > MAX_DEPTH || depths.size > MAX_ELEMENTS) return true;
  }
  return false;
}

function createTurndown(): TurndownService {
  return new TurndownService({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-', hr: '---' });
}
