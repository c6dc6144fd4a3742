// What is to be read from a page.

/** One field of an item, as `readPage` takes it. */
export type FieldPlan = {
  readonly selector: string;
  /**
   * `text`, `presence` (an empty string for each match), `address` (of a link or an image, else the text), or the first of
   * these attributes, else the text.
   */
  readonly take: 'text' | 'presence' | 'address' | { readonly attributes: readonly string[]; readonly orText: boolean };
  readonly multiple: boolean;
};

export type PagePlan = {
  /** Each match is an item; null: the page is one item. */
  readonly itemSelector: string | null;
  readonly fields: readonly FieldPlan[];
  /** Whether JSON-LD, microdata and meta tags are read. */
  readonly structuredData: boolean;
  /** Whether the images and the links of each item are read, and the HTML of the whole page. */
  readonly images: boolean;
  readonly itemLinks: boolean;
  readonly html: boolean;
  /** Of the page as the browser shows it; null: none is taken. */
  readonly screenshot: 'PNG' | 'JPEG' | null;
  /** What is or holds the link to the next page; null: it is not looked for. */
  readonly next: string | null;
  /** Selectors of what tells a challenge from a page; looked for in documents with little text alone. */
  readonly signs: readonly string[];
  readonly limits: {
    readonly links: number;
    readonly items: number;
    readonly refreshes: number;
    /** Of JSON-LD on the whole page, in characters. */
    readonly jsonLd: number;
    /** Of one field. */
    readonly values: number;
    /** Of one value. */
    readonly characters: number;
    /** Of the beginning. */
    readonly beginning: number;
    /** Of a link's text, in characters. */
    readonly linkText: number;
    /** Of the page's HTML, in characters. */
    readonly html: number;
  };
};

/** What is read of an answer that is no page: enough to tell what it is. */
export function withoutContent(plan: PagePlan): PagePlan {
  return { ...plan, fields: [], structuredData: false, images: false, itemLinks: false, html: false };
}
